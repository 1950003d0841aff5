/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models.h"

#include <libreformer/generation/reformer-generator.h>

G_BEGIN_DECLS

/* Shared by the tests of generators. */

/* A random model of as many ids as bytes have; kinds as in test_config(). */
ReformerModel *test_byte_model   (ReformerDevice     *device,
                                  const char         *kinds);
/* A whole text, which must not fail. */
char          *test_generate     (ReformerGenerator  *generator);
/* That error, in one line that matches the pattern. Clears it. */
void           test_assert_error (GError            **error,
                                  GQuark              domain,
                                  int                 code,
                                  const char         *pattern);

G_END_DECLS
