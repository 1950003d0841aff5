/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/models/reformer-head.h>

G_DEFINE_ENUM_TYPE (ReformerHead, reformer_head,
                    G_DEFINE_ENUM_VALUE (REFORMER_HEAD_LANGUAGE, "language"),
                    G_DEFINE_ENUM_VALUE (REFORMER_HEAD_MASKED_LANGUAGE, "masked-language"),
                    G_DEFINE_ENUM_VALUE (REFORMER_HEAD_CLASSIFICATION, "classification"),
                    G_DEFINE_ENUM_VALUE (REFORMER_HEAD_REGRESSION, "regression"),
                    G_DEFINE_ENUM_VALUE (REFORMER_HEAD_MULTI_LABEL, "multi-label"),
                    G_DEFINE_ENUM_VALUE (REFORMER_HEAD_SPANS, "spans"),
                    G_DEFINE_ENUM_VALUE (REFORMER_HEAD_TOKENS, "tokens"),
                    G_DEFINE_ENUM_VALUE (REFORMER_HEAD_VALUES, "values"),
                    G_DEFINE_ENUM_VALUE (REFORMER_HEAD_NONE, "none"))
