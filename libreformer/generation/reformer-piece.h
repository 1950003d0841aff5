/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <gio/gio.h>
#include <libreformer/compute/reformer-version-macros.h>

G_BEGIN_DECLS

#define REFORMER_TYPE_PIECE (reformer_piece_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerPiece, reformer_piece, REFORMER, PIECE, GObject)

REFORMER_AVAILABLE_IN_1_0
int         reformer_piece_get_id    (ReformerPiece  *self);
REFORMER_AVAILABLE_IN_1_0
const char *reformer_piece_get_text  (ReformerPiece  *self);
REFORMER_AVAILABLE_IN_1_0
GBytes     *reformer_piece_get_bytes (ReformerPiece  *self);

G_END_DECLS
