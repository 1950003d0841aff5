/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * A message in protobuf's wire format, field by field, from memory: what a SentencePiece model is. Nothing is allocated, and no message within it is entered unless
 * its caller asks for it, so that depth is the caller's. Groups, which nothing writes any more, are refused. `path` is for messages, as in reading.h.
 */
typedef struct
{
  const char   *path;
  const guint8 *start; /* of the file: offsets in messages count from here */
  const guint8 *next;
  const guint8 *end;
} ReformerProtobuf;

typedef enum
{
  REFORMER_PROTOBUF_NUMBER = 0,  /* of up to 64 bits */
  REFORMER_PROTOBUF_FIXED64 = 1,
  REFORMER_PROTOBUF_BYTES = 2,   /* bytes, a string, or a message */
  REFORMER_PROTOBUF_FIXED32 = 5,
} ReformerProtobufType;

typedef struct
{
  guint32              number;
  ReformerProtobufType type;
  gsize                offset; /* of its tag */
  guint64              value;  /* of a number, or the bits of a fixed one */
  const guint8        *bytes;
  gsize                n_bytes;
} ReformerProtobufField;

static inline gboolean
reformer_protobuf_at_end (const ReformerProtobuf *self)
{
  return self->next >= self->end;
}

/* The next field, of which there is one. */
gboolean reformer_protobuf_next   (ReformerProtobuf             *self,
                                   ReformerProtobufField        *field,
                                   GError                      **error);
/* Whether the field, whose name is for the message, has the type. */
gboolean reformer_protobuf_expect (const ReformerProtobuf       *self,
                                   const ReformerProtobufField  *field,
                                   ReformerProtobufType          type,
                                   const char                   *name,
                                   GError                      **error);

/* The message in a field of bytes. */
static inline ReformerProtobuf
reformer_protobuf_enter (const ReformerProtobuf      *self,
                         const ReformerProtobufField *field)
{
  return (ReformerProtobuf) { self->path, self->start, field->bytes, field->bytes + field->n_bytes };
}

G_END_DECLS
