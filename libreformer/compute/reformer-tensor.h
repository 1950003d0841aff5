/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(_REFORMER_INSIDE) && !defined(REFORMER_COMPILATION)
#error "Only <libreformer/reformer.h> can be included directly."
#endif

#include <libreformer/compute/reformer-device.h>

G_BEGIN_DECLS

/**
 * ReformerDType:
 * @REFORMER_DTYPE_FLOAT32: 32-bit floating point, what is computed with
 * @REFORMER_DTYPE_FLOAT16: IEEE half precision, for storage
 * @REFORMER_DTYPE_BFLOAT16: the upper half of a float32, for storage
 * @REFORMER_DTYPE_INT32: 32-bit signed integer: ids, labels, orders
 * @REFORMER_DTYPE_UINT8: a byte: masks
 * @REFORMER_DTYPE_UINT16: 16-bit unsigned integer: buckets
 *
 * The type of a tensor's elements.
 */
typedef enum
{
  REFORMER_DTYPE_FLOAT32,
  REFORMER_DTYPE_FLOAT16,
  REFORMER_DTYPE_BFLOAT16,
  REFORMER_DTYPE_INT32,
  REFORMER_DTYPE_UINT8,
  REFORMER_DTYPE_UINT16,
} ReformerDType;

#define REFORMER_TYPE_DTYPE (reformer_dtype_get_type ())

REFORMER_AVAILABLE_IN_1_0
GType            reformer_dtype_get_type           (void);

#define REFORMER_TYPE_TENSOR (reformer_tensor_get_type ())

REFORMER_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (ReformerTensor, reformer_tensor, REFORMER, TENSOR, GObject)

REFORMER_AVAILABLE_IN_1_0
ReformerTensor  *reformer_tensor_new            (ReformerDevice  *device,
                                                 ReformerDType    dtype,
                                                 const gint64    *shape,
                                                 gsize            n_dims,
                                                 GError         **error);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor  *reformer_tensor_new_from_bytes (ReformerDevice  *device,
                                                 ReformerDType    dtype,
                                                 const gint64    *shape,
                                                 gsize            n_dims,
                                                 GBytes          *bytes,
                                                 GError         **error);
REFORMER_AVAILABLE_IN_1_0
ReformerDevice  *reformer_tensor_get_device     (ReformerTensor  *self);
REFORMER_AVAILABLE_IN_1_0
ReformerDType    reformer_tensor_get_dtype      (ReformerTensor  *self);
REFORMER_AVAILABLE_IN_1_0
gint64          *reformer_tensor_get_shape      (ReformerTensor  *self,
                                                 gsize           *n_dims);
REFORMER_AVAILABLE_IN_1_0
gsize            reformer_tensor_get_n_elements (ReformerTensor  *self);
REFORMER_AVAILABLE_IN_1_0
gsize            reformer_tensor_get_n_bytes    (ReformerTensor  *self);
REFORMER_AVAILABLE_IN_1_0
ReformerTensor  *reformer_tensor_reshape        (ReformerTensor  *self,
                                                 const gint64    *shape,
                                                 gsize            n_dims,
                                                 GError         **error);
REFORMER_AVAILABLE_IN_1_0
GBytes          *reformer_tensor_to_bytes       (ReformerTensor  *self,
                                                 GError         **error);
REFORMER_AVAILABLE_IN_1_0
gboolean         reformer_tensor_upload         (ReformerTensor  *self,
                                                 GBytes          *bytes,
                                                 GError         **error);
REFORMER_AVAILABLE_IN_1_0
gboolean         reformer_tensor_upload_pointer (ReformerTensor  *self,
                                                 gpointer         address,
                                                 gsize            size,
                                                 GError         **error);
REFORMER_AVAILABLE_IN_1_0
gpointer         reformer_tensor_map            (ReformerTensor  *self,
                                                 GError         **error);
REFORMER_AVAILABLE_IN_1_0
void             reformer_tensor_unmap          (ReformerTensor  *self);
REFORMER_AVAILABLE_IN_1_0
char            *reformer_tensor_to_string      (ReformerTensor  *self);

G_END_DECLS
