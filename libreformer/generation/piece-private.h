/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/generation/reformer-piece.h>

G_BEGIN_DECLS

/* Takes text (valid UTF-8) and bytes. */
ReformerPiece *reformer_piece_new (int     id,
                                   char   *text,
                                   GBytes *bytes);

G_END_DECLS
