/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/buffer.h"

#include <libreformer/compute/reformer-tensor.h>

G_BEGIN_DECLS

/* More dimensions than any file or layer has. */
#define REFORMER_MAX_DIMS 8

/* Bytes of one element. */
gsize           reformer_dtype_get_size             (ReformerDType    dtype);
const char     *reformer_dtype_get_name             (ReformerDType    dtype);

/* Contents are whatever was there before; counted to `part` of the account (NULL: "other"). On planners only counted. */
ReformerTensor *reformer_tensor_new_uninitialised   (ReformerDevice  *device,
                                                     ReformerDType    dtype,
                                                     const gint64    *shape,
                                                     gsize            n_dims,
                                                     const char      *part,
                                                     GError         **error);
/* As reformer_tensor_new(), counted to `part`. */
ReformerTensor *reformer_tensor_new_zeros           (ReformerDevice  *device,
                                                     ReformerDType    dtype,
                                                     const gint64    *shape,
                                                     gsize            n_dims,
                                                     const char      *part,
                                                     GError         **error);
/* Borrowed. */
ReformerBuffer *reformer_tensor_get_buffer          (ReformerTensor  *self);
/* One dimension; negative indices count from the last. 1 for dimensions that the tensor does not have. */
gint64          reformer_tensor_get_dim             (ReformerTensor  *self,
                                                     int              dim);
gsize           reformer_tensor_get_n_dims          (ReformerTensor  *self);
/* "[2, 64, 32]" */
char           *reformer_shape_to_string            (const gint64    *shape,
                                                     gsize            n_dims);

G_END_DECLS
