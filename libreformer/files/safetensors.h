/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * safetensors: 8 bytes with the header's length (little endian), the header (a JSON object), then the tensors' bytes without gaps.
 * The reader is stricter than the reference (PyPI safetensors 0.8.0) wherever a file could be understood in two ways, never looser.
 * It reads by pread only; an open file that is replaced or cut short does no harm. Bytes are little endian, as in the file.
 */

/* in the order of the reference, by which a writer sorts */
typedef enum
{
  REFORMER_SAFETENSORS_BOOL, /* any byte but 0 is true */
  REFORMER_SAFETENSORS_F4,
  REFORMER_SAFETENSORS_F6_E2M3,
  REFORMER_SAFETENSORS_F6_E3M2,
  REFORMER_SAFETENSORS_U8,
  REFORMER_SAFETENSORS_I8,
  REFORMER_SAFETENSORS_F8_E5M2,
  REFORMER_SAFETENSORS_F8_E4M3,
  REFORMER_SAFETENSORS_F8_E8M0,
  REFORMER_SAFETENSORS_F8_E4M3FNUZ,
  REFORMER_SAFETENSORS_F8_E5M2FNUZ,
  REFORMER_SAFETENSORS_I16,
  REFORMER_SAFETENSORS_U16,
  REFORMER_SAFETENSORS_F16,
  REFORMER_SAFETENSORS_BF16,
  REFORMER_SAFETENSORS_I32,
  REFORMER_SAFETENSORS_U32,
  REFORMER_SAFETENSORS_F32,
  REFORMER_SAFETENSORS_C64,
  REFORMER_SAFETENSORS_F64,
  REFORMER_SAFETENSORS_I64,
  REFORMER_SAFETENSORS_U64,
  REFORMER_SAFETENSORS_N_DTYPES,
} ReformerSafetensorsDType;

#define REFORMER_SAFETENSORS_MAX_HEADER   100000000u   /* bytes, the reference's limit */
#define REFORMER_SAFETENSORS_MAX_NAME     4096u        /* bytes */
#define REFORMER_SAFETENSORS_MAX_DIMS     8u
#define REFORMER_SAFETENSORS_MAX_MEMBER   65536u       /* bytes of JSON that describe one tensor */
#define REFORMER_SAFETENSORS_MAX_TENSORS  500000u      /* keeps memory below twice the file and 64 MB */
#define REFORMER_SAFETENSORS_MAX_METADATA 100000u      /* pairs */
#define REFORMER_SAFETENSORS_MAX_TEXT     (8u << 20)   /* bytes of JSON of one value of the metadata */

typedef struct _ReformerSafetensors ReformerSafetensors;

typedef struct
{
  const char               *name;
  ReformerSafetensors      *file;
  ReformerSafetensorsDType  dtype;
  guint                     n_dims;
  gint64                    shape[REFORMER_SAFETENSORS_MAX_DIMS];
  gsize                     n_elements;
  guint64                   offset;  /* from the start of the file */
  gsize                     n_bytes;
} ReformerSafetensorsEntry;

const char *reformer_safetensors_dtype_get_name (ReformerSafetensorsDType   dtype);
guint       reformer_safetensors_dtype_get_bits (ReformerSafetensorsDType   dtype);
gboolean    reformer_safetensors_dtype_parse    (const char                *name,
                                                 ReformerSafetensorsDType  *dtype);
/* "F32 [4, 32]" */
char       *reformer_safetensors_describe       (ReformerSafetensorsDType   dtype,
                                                 const gint64              *shape,
                                                 gsize                      n_dims);

/* Reads and checks the header. */
ReformerSafetensors *reformer_safetensors_open        (const char           *path,
                                                       GCancellable         *cancellable,
                                                       GError              **error);
/* ... of the file `name` below an open folder; `path` is for messages. */
ReformerSafetensors *reformer_safetensors_open_at     (int                   folder,
                                                       const char           *name,
                                                       const char           *path,
                                                       GCancellable         *cancellable,
                                                       GError              **error);
ReformerSafetensors *reformer_safetensors_ref         (ReformerSafetensors  *self);
void                 reformer_safetensors_unref       (ReformerSafetensors  *self);
const char          *reformer_safetensors_get_path    (ReformerSafetensors  *self);

/* Tensors in the order of their bytes; an entry lives as long as its file. */
gsize                           reformer_safetensors_get_n_tensors (ReformerSafetensors *self);
const ReformerSafetensorsEntry *reformer_safetensors_get_entry     (ReformerSafetensors *self,
                                                                    gsize                i);
/* NULL where there is none */
const ReformerSafetensorsEntry *reformer_safetensors_lookup        (ReformerSafetensors *self,
                                                                    const char          *name);
/* name → text, never NULL */
GHashTable                     *reformer_safetensors_get_metadata  (ReformerSafetensors *self);

/* n_bytes of the tensor from its byte `offset` on, as they are in the file; TRUNCATED where the file was cut short meanwhile. */
gboolean reformer_safetensors_read         (ReformerSafetensors             *self,
                                            const ReformerSafetensorsEntry  *entry,
                                            gpointer                         to,
                                            gsize                            offset,
                                            gsize                            n_bytes,
                                            GCancellable                    *cancellable,
                                            GError                         **error);
/* Elements of an F32, F16, BF16 or F64 tensor as float32; UNSUPPORTED for the others. */
gboolean reformer_safetensors_read_float32 (ReformerSafetensors             *self,
                                            const ReformerSafetensorsEntry  *entry,
                                            float                           *to,
                                            gsize                            first_element,
                                            gsize                            n_elements,
                                            GCancellable                    *cancellable,
                                            GError                         **error);
/* INVALID, LIMIT: names, shapes and sizes that the reader refuses, for a writer to refuse first. */
gboolean reformer_safetensors_check_name   (const char                      *path,
                                            const char                      *name,
                                            gsize                            n_bytes,
                                            GError                         **error);
gboolean reformer_safetensors_measure      (const char                      *path,
                                            const char                      *name,
                                            ReformerSafetensorsDType         dtype,
                                            const gint64                    *shape,
                                            gsize                            n_dims,
                                            gsize                           *n_elements,
                                            gsize                           *n_bytes,
                                            GError                         **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReformerSafetensors, reformer_safetensors_unref)

G_END_DECLS
