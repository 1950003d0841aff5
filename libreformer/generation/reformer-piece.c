/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generation/piece-private.h"

/**
 * ReformerPiece:
 *
 * What one token adds to a text that is being made.
 *
 * The text of all pieces together is the whole text in UTF-8, and their bytes together are its bytes. A token can complete what tokens before it began, or begin what
 * later ones complete, so that text and bytes may be empty, or more than the token's own.
 */

struct _ReformerPiece
{
  GObject  parent_instance;

  int      id;
  char    *text;
  GBytes  *bytes;
};

enum
{
  PROP_0,
  PROP_ID,
  PROP_TEXT,
  PROP_BYTES,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerPiece, reformer_piece, G_TYPE_OBJECT)

static void
reformer_piece_finalize (GObject *object)
{
  ReformerPiece *self = REFORMER_PIECE (object);

  g_free (self->text);
  g_clear_pointer (&self->bytes, g_bytes_unref);
  G_OBJECT_CLASS (reformer_piece_parent_class)->finalize (object);
}

static void
reformer_piece_get_property (GObject    *object,
                             guint       id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  ReformerPiece *self = REFORMER_PIECE (object);

  switch (id)
    {
    case PROP_ID:
      g_value_set_int (value, self->id);
      break;
    case PROP_TEXT:
      g_value_set_string (value, self->text);
      break;
    case PROP_BYTES:
      g_value_take_boxed (value, reformer_piece_get_bytes (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_piece_class_init (ReformerPieceClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->finalize = reformer_piece_finalize;
  object_class->get_property = reformer_piece_get_property;

  /**
   * ReformerPiece:id:
   *
   * The token.
   */
  props[PROP_ID] = g_param_spec_int ("id", NULL, NULL, 0, G_MAXINT, 0, flags);
  /**
   * ReformerPiece:text:
   *
   * What the piece adds to the text, valid UTF-8. See [method@Piece.get_text].
   */
  props[PROP_TEXT] = g_param_spec_string ("text", NULL, NULL, "", flags);
  /**
   * ReformerPiece:bytes:
   *
   * What the piece adds to the text, as bytes. See [method@Piece.get_bytes].
   */
  props[PROP_BYTES] = g_param_spec_boxed ("bytes", NULL, NULL, G_TYPE_BYTES, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_piece_init (ReformerPiece *self)
{
  self->text = g_strdup ("");
}

ReformerPiece *
reformer_piece_new (int     id,
                    char   *text,
                    GBytes *bytes)
{
  ReformerPiece *self = g_object_new (REFORMER_TYPE_PIECE, NULL);

  self->id = id;
  g_free (self->text);
  self->text = text;
  self->bytes = bytes;
  return self;
}

/**
 * reformer_piece_get_id:
 * @self: a piece
 *
 * Gets the token.
 *
 * Returns: the token
 */
int
reformer_piece_get_id (ReformerPiece *self)
{
  g_return_val_if_fail (REFORMER_IS_PIECE (self), 0);

  return self->id;
}

/**
 * reformer_piece_get_text:
 * @self: a piece
 *
 * Gets what the piece adds to the text, valid UTF-8.
 *
 * It is empty while a character is unfinished; what cannot be a character, and a zero byte, is U+FFFD, the replacement character. What may be the beginning of a
 * stop string is held back until that is clear. The last piece has what was held back, and U+FFFD for a character that stayed unfinished.
 *
 * Returns: (transfer none): what the piece adds to the text
 */
const char *
reformer_piece_get_text (ReformerPiece *self)
{
  g_return_val_if_fail (REFORMER_IS_PIECE (self), NULL);

  return self->text;
}

/**
 * reformer_piece_get_bytes:
 * @self: a piece
 *
 * Gets what the piece adds to the text, as bytes: also of unfinished characters, and of what cannot be one. What may be the beginning of a stop string is
 * held back.
 *
 * Returns: (transfer full): what the piece adds to the text
 */
GBytes *
reformer_piece_get_bytes (ReformerPiece *self)
{
  g_return_val_if_fail (REFORMER_IS_PIECE (self), NULL);

  return self->bytes != NULL ? g_bytes_ref (self->bytes) : g_bytes_new (NULL, 0);
}
