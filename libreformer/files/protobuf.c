/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files/protobuf.h"

#include <libreformer/files/reformer-file-error.h>

/* The most bytes of a number: seven bits each. */
#define NUMBER_BYTES 10

static gboolean
set_short (const ReformerProtobuf  *self,
           gsize                    offset,
           const char              *what,
           guint64                  wanted,
           GError                 **error)
{
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_TRUNCATED,
               "%s: %s at byte %" G_GSIZE_FORMAT " wants %" G_GUINT64_FORMAT " bytes, %" G_GSIZE_FORMAT " are left in its message", self->path, what, offset, wanted,
               (gsize) (self->end - self->next));
  return FALSE;
}

static gboolean
read_number (ReformerProtobuf  *self,
             guint64           *value,
             GError           **error)
{
  const gsize offset = (gsize) (self->next - self->start);

  *value = 0;
  for (guint i = 0; i < NUMBER_BYTES; i++)
    {
      guint8 byte;

      if (self->next == self->end)
        return set_short (self, offset, "the number", i + 1, error);
      byte = *self->next++;
      if (i == NUMBER_BYTES - 1 && byte > 1)
        break;
      *value |= (guint64) (byte & 0x7f) << (7 * i);
      if (byte < 0x80)
        return TRUE;
    }
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: the number at byte %" G_GSIZE_FORMAT " has more than 64 bits", self->path, offset);
  return FALSE;
}

static gboolean
read_fixed (ReformerProtobuf       *self,
            ReformerProtobufField  *field,
            guint                   n_bytes,
            GError                **error)
{
  if ((gsize) (self->end - self->next) < n_bytes)
    return set_short (self, field->offset, "the field", n_bytes, error);
  field->value = 0;
  for (guint i = 0; i < n_bytes; i++)
    field->value |= (guint64) self->next[i] << (8 * i);
  self->next += n_bytes;
  return TRUE;
}

static gboolean
read_bytes (ReformerProtobuf       *self,
            ReformerProtobufField  *field,
            GError                **error)
{
  guint64 n_bytes;

  if (!read_number (self, &n_bytes, error))
    return FALSE;
  if (n_bytes > (guint64) (self->end - self->next))
    return set_short (self, field->offset, "the field", n_bytes, error);
  field->bytes = self->next;
  field->n_bytes = (gsize) n_bytes;
  self->next += n_bytes;
  return TRUE;
}

gboolean
reformer_protobuf_next (ReformerProtobuf       *self,
                        ReformerProtobufField  *field,
                        GError                **error)
{
  guint64 tag;

  *field = (ReformerProtobufField) { .offset = (gsize) (self->next - self->start) };
  if (!read_number (self, &tag, error))
    return FALSE;
  if (tag >> 3 == 0 || tag > G_MAXUINT32)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: the field at byte %" G_GSIZE_FORMAT " has the number %" G_GUINT64_FORMAT "; wanted from 1 to %u",
                   self->path, field->offset, tag >> 3, G_MAXUINT32 >> 3);
      return FALSE;
    }
  field->number = (guint32) (tag >> 3);
  field->type = (ReformerProtobufType) (tag & 7);
  switch (field->type)
    {
    case REFORMER_PROTOBUF_NUMBER:
      return read_number (self, &field->value, error);
    case REFORMER_PROTOBUF_FIXED64:
      return read_fixed (self, field, 8, error);
    case REFORMER_PROTOBUF_BYTES:
      return read_bytes (self, field, error);
    case REFORMER_PROTOBUF_FIXED32:
      return read_fixed (self, field, 4, error);
    default:
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: the field at byte %" G_GSIZE_FORMAT " has the wire type %u; wanted 0, 1, 2 or 5", self->path,
                   field->offset, (guint) field->type);
      return FALSE;
    }
}

gboolean
reformer_protobuf_expect (const ReformerProtobuf       *self,
                          const ReformerProtobufField  *field,
                          ReformerProtobufType          type,
                          const char                   *name,
                          GError                      **error)
{
  if (field->type == type)
    return TRUE;
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: %s at byte %" G_GSIZE_FORMAT " has the wire type %u; wanted %u", self->path, name, field->offset,
               (guint) field->type, (guint) type);
  return FALSE;
}
