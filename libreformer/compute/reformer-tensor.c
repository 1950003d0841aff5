/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/compute/reformer-tensor.h>

#include "compute/device-private.h"
#include "compute/launch.h"
#include "compute/tensor-private.h"

#include <libreformer/compute/reformer-device-error.h>

#include <string.h>

/**
 * ReformerTensor:
 *
 * An array of numbers on a device: contiguous, the last dimension running fastest. Its type and shape do not change; its elements do.
 *
 * A tensor keeps its device.
 *
 * ```python
 * tensor = Reformer.Tensor.from_array(numpy.arange(6, dtype="float32").reshape(2, 3), device)
 * with tensor.view() as array:
 *     array *= 2
 * print(tensor.to_string(), numpy.asarray(tensor).sum())
 * ```
 */

/**
 * ReformerTensor:device: (getter get_device)
 *
 * The device that holds the tensor.
 */
/**
 * ReformerTensor:dtype: (getter get_dtype)
 *
 * The type of the elements.
 */
/**
 * ReformerTensor:n-elements: (getter get_n_elements)
 *
 * How many elements there are.
 */
/**
 * ReformerTensor:n-bytes: (getter get_n_bytes)
 *
 * How many bytes the elements take.
 */

struct _ReformerTensor
{
  GObject         parent_instance;

  ReformerDevice *device;
  ReformerDType   dtype;
  gsize           n_dims;
  gint64          shape[REFORMER_MAX_DIMS];
  gsize           n_elements;
  ReformerBuffer *buffer;
};

enum
{
  PROP_DEVICE = 1,
  PROP_DTYPE,
  PROP_N_ELEMENTS,
  PROP_N_BYTES,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_ENUM_TYPE (ReformerDType, reformer_dtype,
                    G_DEFINE_ENUM_VALUE (REFORMER_DTYPE_FLOAT32, "float32"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DTYPE_FLOAT16, "float16"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DTYPE_BFLOAT16, "bfloat16"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DTYPE_INT32, "int32"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DTYPE_UINT16, "uint16"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DTYPE_UINT8, "uint8"))

G_DEFINE_FINAL_TYPE (ReformerTensor, reformer_tensor, G_TYPE_OBJECT)

static const struct
{
  const char *name;
  gsize       size;
} dtypes[] = {
  [REFORMER_DTYPE_FLOAT32] = { "float32", 4 },
  [REFORMER_DTYPE_FLOAT16] = { "float16", 2 },
  [REFORMER_DTYPE_BFLOAT16] = { "bfloat16", 2 },
  [REFORMER_DTYPE_INT32] = { "int32", 4 },
  [REFORMER_DTYPE_UINT16] = { "uint16", 2 },
  [REFORMER_DTYPE_UINT8] = { "uint8", 1 },
};

gsize
reformer_dtype_get_size (ReformerDType dtype)
{
  return (guint) dtype < G_N_ELEMENTS (dtypes) ? dtypes[dtype].size : 0;
}

const char *
reformer_dtype_get_name (ReformerDType dtype)
{
  return (guint) dtype < G_N_ELEMENTS (dtypes) ? dtypes[dtype].name : "unknown";
}

static void
reformer_tensor_get_property (GObject    *object,
                              guint       property,
                              GValue     *value,
                              GParamSpec *pspec)
{
  ReformerTensor *self = REFORMER_TENSOR (object);

  switch (property)
    {
    case PROP_DEVICE:
      g_value_set_object (value, self->device);
      break;
    case PROP_DTYPE:
      g_value_set_enum (value, self->dtype);
      break;
    case PROP_N_ELEMENTS:
      g_value_set_uint64 (value, self->n_elements);
      break;
    case PROP_N_BYTES:
      g_value_set_uint64 (value, reformer_tensor_get_n_bytes (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property, pspec);
    }
}

static void
reformer_tensor_finalize (GObject *object)
{
  ReformerTensor *self = REFORMER_TENSOR (object);

  g_clear_pointer (&self->buffer, reformer_buffer_unref);
  g_clear_object (&self->device);

  G_OBJECT_CLASS (reformer_tensor_parent_class)->finalize (object);
}

static void
reformer_tensor_class_init (ReformerTensorClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags readable = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = reformer_tensor_get_property;
  object_class->finalize = reformer_tensor_finalize;

  properties[PROP_DEVICE] = g_param_spec_object ("device", NULL, NULL, REFORMER_TYPE_DEVICE, readable);
  properties[PROP_DTYPE] = g_param_spec_enum ("dtype", NULL, NULL, REFORMER_TYPE_DTYPE, REFORMER_DTYPE_FLOAT32, readable);
  properties[PROP_N_ELEMENTS] = g_param_spec_uint64 ("n-elements", NULL, NULL, 0, G_MAXUINT64, 0, readable);
  properties[PROP_N_BYTES] = g_param_spec_uint64 ("n-bytes", NULL, NULL, 0, G_MAXUINT64, 0, readable);

  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
reformer_tensor_init (ReformerTensor *self)
{
  /* What g_object_new() makes, and with it `Tensor()` in some languages, has no elements and is on no device. */
  self->device = g_object_ref (reformer_device_none ());
}

char *
reformer_shape_to_string (const gint64 *shape,
                          gsize         n_dims)
{
  GString *text = g_string_new ("[");

  for (gsize i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i > 0 ? ", " : "", shape[i]);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

/* The number of elements of a shape that can be one; FALSE with an error naming it. */
static gboolean
check_shape (ReformerDType   dtype,
             const gint64   *shape,
             gsize           n_dims,
             gsize          *n_elements,
             GError        **error)
{
  const gsize size = reformer_dtype_get_size (dtype);
  gsize n = 1, n_bytes;

  if (size == 0)
    {
      g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "%d is no type of tensors", (int) dtype);
      return FALSE;
    }
  if (n_dims > REFORMER_MAX_DIMS)
    {
      g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID,
                   "a tensor of %" G_GSIZE_FORMAT " dimensions: at most %d are possible", n_dims, REFORMER_MAX_DIMS);
      return FALSE;
    }

  for (gsize i = 0; i < n_dims; i++)
    {
      g_autofree char *text = NULL;

      if (shape[i] >= 1 && g_size_checked_mul (&n, n, (gsize) shape[i]))
        continue;

      text = reformer_shape_to_string (shape, n_dims);
      if (shape[i] < 1)
        g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID,
                     "tensor shape %s: dimension %" G_GSIZE_FORMAT " is %" G_GINT64_FORMAT ", at least 1 is needed", text, i, shape[i]);
      else
        g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "tensor shape %s has more elements than can be counted",
                     text);
      return FALSE;
    }

  if (!g_size_checked_mul (&n_bytes, n, size) || n_bytes > G_MAXSSIZE)
    {
      g_autofree char *text = reformer_shape_to_string (shape, n_dims);

      g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "tensor shape %s has more bytes than can be counted", text);
      return FALSE;
    }

  *n_elements = n;
  return TRUE;
}

/* Takes the buffer. */
static ReformerTensor *
make (ReformerDevice *device,
      ReformerDType   dtype,
      const gint64   *shape,
      gsize           n_dims,
      gsize           n_elements,
      ReformerBuffer *buffer)
{
  ReformerTensor *self = g_object_new (REFORMER_TYPE_TENSOR, NULL);

  g_set_object (&self->device, device);
  self->dtype = dtype;
  self->n_dims = n_dims;
  if (n_dims > 0)
    memcpy (self->shape, shape, n_dims * sizeof shape[0]);
  self->n_elements = n_elements;
  self->buffer = buffer;
  return self;
}

ReformerTensor *
reformer_tensor_new_uninitialised (ReformerDevice  *device,
                                   ReformerDType    dtype,
                                   const gint64    *shape,
                                   gsize            n_dims,
                                   const char      *part,
                                   GError         **error)
{
  ReformerBuffer *buffer;
  gsize n_elements;

  if (!check_shape (dtype, shape, n_dims, &n_elements, error))
    return NULL;

  buffer = reformer_buffer_new (device, n_elements * reformer_dtype_get_size (dtype), part, error);
  if (buffer == NULL)
    return NULL;

  return make (device, dtype, shape, n_dims, n_elements, buffer);
}

ReformerTensor *
reformer_tensor_new_zeros (ReformerDevice  *device,
                           ReformerDType    dtype,
                           const gint64    *shape,
                           gsize            n_dims,
                           const char      *part,
                           GError         **error)
{
  g_autoptr (ReformerTensor) self = reformer_tensor_new_uninitialised (device, dtype, shape, n_dims, part, error);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  if (self == NULL)
    return NULL;

  /* Memory fresh from the system is zero, and stays untouched until it is needed. */
  if (!self->buffer->fresh)
    reformer_run_fill (&run, reformer_span (self), 0, self->n_elements);
  return reformer_run_finish (&run, error) ? g_steal_pointer (&self) : NULL;
}

/**
 * reformer_tensor_new:
 * @device: the device to hold it
 * @dtype: the type of its elements
 * @shape: (array length=n_dims): its dimensions, each at least 1
 * @n_dims: how many
 * @error: return location for an error
 *
 * Makes a tensor of zeros.
 *
 * Returns: (transfer full): the tensor, or %NULL with an error: the shape cannot be (%REFORMER_DEVICE_ERROR_INVALID), the device
 *   has not enough memory (%REFORMER_DEVICE_ERROR_OUT_OF_MEMORY) or does not open
 */
ReformerTensor *
reformer_tensor_new (ReformerDevice  *device,
                     ReformerDType    dtype,
                     const gint64    *shape,
                     gsize            n_dims,
                     GError         **error)
{
  g_return_val_if_fail (REFORMER_IS_DEVICE (device), NULL);
  g_return_val_if_fail (n_dims == 0 || shape != NULL, NULL);

  return reformer_tensor_new_zeros (device, dtype, shape, n_dims, NULL, error);
}

/* Writes `size` bytes, which must be all that the tensor has. */
static gboolean
upload (ReformerTensor  *self,
        gconstpointer    data,
        gsize            size,
        GError         **error)
{
  ReformerRun run = REFORMER_RUN_INIT (self->device, NULL);
  const gsize n_bytes = reformer_tensor_get_n_bytes (self);

  if (size != n_bytes)
    {
      g_autofree char *text = reformer_tensor_to_string (self);

      reformer_run_fail (&run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID,
                         "%s has %" G_GSIZE_FORMAT " bytes, %" G_GSIZE_FORMAT " bytes were given", text, n_bytes, size);
    }
  else
    {
      reformer_run_write (&run, reformer_span (self), data, self->n_elements);
    }
  return reformer_run_finish (&run, error);
}

/**
 * reformer_tensor_new_from_bytes:
 * @device: the device to hold it
 * @dtype: the type of its elements
 * @shape: (array length=n_dims): its dimensions, each at least 1
 * @n_dims: how many
 * @bytes: the elements, in the order of the machine, the last dimension running fastest
 * @error: return location for an error
 *
 * Makes a tensor with a copy of @bytes.
 *
 * Returns: (transfer full): the tensor, or %NULL with an error, as [ctor@Tensor.new]; %REFORMER_DEVICE_ERROR_INVALID also when the size
 *   of @bytes does not fit the shape
 */
ReformerTensor *
reformer_tensor_new_from_bytes (ReformerDevice  *device,
                                ReformerDType    dtype,
                                const gint64    *shape,
                                gsize            n_dims,
                                GBytes          *bytes,
                                GError         **error)
{
  g_autoptr (ReformerTensor) self = NULL;
  gsize n_elements, n_bytes;

  g_return_val_if_fail (REFORMER_IS_DEVICE (device), NULL);
  g_return_val_if_fail (n_dims == 0 || shape != NULL, NULL);
  g_return_val_if_fail (bytes != NULL, NULL);

  if (!check_shape (dtype, shape, n_dims, &n_elements, error))
    return NULL;

  /* Before memory is asked for: a wrong shape may be a huge one. */
  n_bytes = n_elements * reformer_dtype_get_size (dtype);
  if (g_bytes_get_size (bytes) != n_bytes)
    {
      g_autofree char *text = reformer_shape_to_string (shape, n_dims);

      g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID,
                   "a tensor of %s %s has %" G_GSIZE_FORMAT " bytes, %" G_GSIZE_FORMAT " bytes were given",
                   reformer_dtype_get_name (dtype), text, n_bytes, g_bytes_get_size (bytes));
      return NULL;
    }

  self = reformer_tensor_new_uninitialised (device, dtype, shape, n_dims, NULL, error);
  if (self == NULL || !upload (self, g_bytes_get_data (bytes, NULL), n_bytes, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * reformer_tensor_get_device: (get-property device)
 * @self: a tensor
 *
 * Gets the device that holds the tensor.
 *
 * Returns: (transfer none): the device that holds the tensor
 */
ReformerDevice *
reformer_tensor_get_device (ReformerTensor *self)
{
  g_return_val_if_fail (REFORMER_IS_TENSOR (self), NULL);

  return self->device;
}

/**
 * reformer_tensor_get_dtype: (get-property dtype)
 * @self: a tensor
 *
 * Gets the type of the elements.
 *
 * Returns: the type of the elements
 */
ReformerDType
reformer_tensor_get_dtype (ReformerTensor *self)
{
  g_return_val_if_fail (REFORMER_IS_TENSOR (self), REFORMER_DTYPE_FLOAT32);

  return self->dtype;
}

/**
 * reformer_tensor_get_shape:
 * @self: a tensor
 * @n_dims: (out): how many dimensions there are
 *
 * Gets the dimensions; free with g_free().
 *
 * Returns: (transfer full) (array length=n_dims): the dimensions; free with g_free()
 */
gint64 *
reformer_tensor_get_shape (ReformerTensor *self,
                           gsize          *n_dims)
{
  g_return_val_if_fail (REFORMER_IS_TENSOR (self), NULL);
  g_return_val_if_fail (n_dims != NULL, NULL);

  *n_dims = self->n_dims;
  return g_memdup2 (self->shape, MAX (self->n_dims, 1) * sizeof self->shape[0]);
}

/**
 * reformer_tensor_get_n_elements: (get-property n-elements)
 * @self: a tensor
 *
 * Gets how many elements there are.
 *
 * Returns: how many elements there are
 */
gsize
reformer_tensor_get_n_elements (ReformerTensor *self)
{
  g_return_val_if_fail (REFORMER_IS_TENSOR (self), 0);

  return self->n_elements;
}

/**
 * reformer_tensor_get_n_bytes: (get-property n-bytes)
 * @self: a tensor
 *
 * Gets how many bytes the elements take.
 *
 * Returns: how many bytes the elements take
 */
gsize
reformer_tensor_get_n_bytes (ReformerTensor *self)
{
  g_return_val_if_fail (REFORMER_IS_TENSOR (self), 0);

  return self->n_elements * reformer_dtype_get_size (self->dtype);
}

ReformerBuffer *
reformer_tensor_get_buffer (ReformerTensor *self)
{
  return self->buffer;
}

gsize
reformer_tensor_get_n_dims (ReformerTensor *self)
{
  return self->n_dims;
}

gint64
reformer_tensor_get_dim (ReformerTensor *self,
                         int             dim)
{
  if (dim < 0)
    dim += (int) self->n_dims;
  return dim >= 0 && (gsize) dim < self->n_dims ? self->shape[dim] : 1;
}

/**
 * reformer_tensor_reshape:
 * @self: a tensor
 * @shape: (array length=n_dims): the dimensions of the new tensor, with as many elements in all
 * @n_dims: how many
 * @error: return location for an error
 *
 * Makes a tensor that looks at the same elements in another shape. What is written through one is seen through the other.
 *
 * Returns: (transfer full): the tensor, or %NULL with %REFORMER_DEVICE_ERROR_INVALID
 */
ReformerTensor *
reformer_tensor_reshape (ReformerTensor  *self,
                         const gint64    *shape,
                         gsize            n_dims,
                         GError         **error)
{
  gsize n_elements;

  g_return_val_if_fail (REFORMER_IS_TENSOR (self), NULL);
  g_return_val_if_fail (n_dims == 0 || shape != NULL, NULL);

  if (!check_shape (self->dtype, shape, n_dims, &n_elements, error))
    return NULL;

  if (n_elements != self->n_elements)
    {
      g_autofree char *text = reformer_tensor_to_string (self);
      g_autofree char *wanted = reformer_shape_to_string (shape, n_dims);

      g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID,
                   "%s cannot become %s: %" G_GSIZE_FORMAT " elements are not %" G_GSIZE_FORMAT, text, wanted, self->n_elements, n_elements);
      return NULL;
    }

  return make (self->device, self->dtype, shape, n_dims, n_elements, reformer_buffer_ref (self->buffer));
}

static gboolean
check_elements (ReformerTensor  *self,
                GError         **error)
{
  if (self->buffer == NULL)
    g_set_error_literal (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "a tensor without elements: it was made without a device and a shape");
  return self->buffer != NULL;
}

/**
 * reformer_tensor_to_bytes:
 * @self: a tensor
 * @error: return location for an error
 *
 * Waits for the work queued on the device and copies the elements.
 *
 * Returns: (transfer full): the elements, in the order of the machine, the last dimension running fastest; or %NULL with an error
 */
GBytes *
reformer_tensor_to_bytes (ReformerTensor  *self,
                          GError         **error)
{
  ReformerRun run;
  g_autofree gpointer data = NULL;
  gsize n_bytes;

  g_return_val_if_fail (REFORMER_IS_TENSOR (self), NULL);

  if (!check_elements (self, error))
    return NULL;
  run = (ReformerRun) REFORMER_RUN_INIT (self->device, NULL);
  n_bytes = reformer_tensor_get_n_bytes (self);
  data = g_try_malloc (n_bytes);
  if (data == NULL)
    reformer_run_fail (&run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY,
                       "the system has no %" G_GSIZE_FORMAT " bytes of memory", n_bytes);
  else
    reformer_run_read (&run, reformer_span (self), data, self->n_elements);

  if (!reformer_run_finish (&run, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&data), n_bytes);
}

/**
 * reformer_tensor_upload:
 * @self: a tensor
 * @bytes: the new elements, as many bytes as the tensor has
 * @error: return location for an error
 *
 * Overwrites all elements, after the work queued on the device before.
 *
 * Returns: %FALSE with an error; %REFORMER_DEVICE_ERROR_INVALID when the size does not fit
 */
gboolean
reformer_tensor_upload (ReformerTensor  *self,
                        GBytes          *bytes,
                        GError         **error)
{
  g_return_val_if_fail (REFORMER_IS_TENSOR (self), FALSE);
  g_return_val_if_fail (bytes != NULL, FALSE);

  return upload (self, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error);
}

/**
 * reformer_tensor_upload_pointer:
 * @self: a tensor
 * @address: (nullable): where the new elements are
 * @size: as many bytes as the tensor has
 * @error: return location for an error
 *
 * As [method@Tensor.upload], from an address: for bindings, which know the size of the array that they read.
 *
 * Returns: %FALSE with an error; %REFORMER_DEVICE_ERROR_INVALID when the size does not fit
 */
gboolean
reformer_tensor_upload_pointer (ReformerTensor  *self,
                                gpointer         address,
                                gsize            size,
                                GError         **error)
{
  g_return_val_if_fail (REFORMER_IS_TENSOR (self), FALSE);

  /* Not a programmer's error: some bindings turn any pointer into NULL. */
  if (address == NULL)
    {
      g_set_error_literal (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID,
                           "the address is NULL; use reformer_tensor_upload() from languages without pointers");
      return FALSE;
    }
  return upload (self, address, size, error);
}

/**
 * reformer_tensor_map:
 * @self: a tensor
 * @error: return location for an error
 *
 * Waits for the work queued on the device and gives the address of the elements, where the device works on the memory of the
 * system (CPUs). The address is valid as long as the tensor or one that was reshaped from it; what is written there is seen by later work. Each call has its
 * [method@Tensor.unmap].
 *
 * Returns: (transfer none): the address; or %NULL with an error: %REFORMER_DEVICE_ERROR_LIMIT on devices with memory of their own,
 *   where [method@Tensor.to_bytes] copies the elements, %REFORMER_DEVICE_ERROR_LOST when the device was closed
 */
gpointer
reformer_tensor_map (ReformerTensor  *self,
                     GError         **error)
{
  g_return_val_if_fail (REFORMER_IS_TENSOR (self), NULL);

  if (!check_elements (self, error) || !reformer_device_synchronize (self->device, error))
    return NULL;

  if (self->buffer->host == NULL)
    {
      g_autofree char *name = reformer_device_describe (self->device);

      g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT, "%s has memory of its own, which cannot be looked at; use reformer_tensor_to_bytes()", name);
      return NULL;
    }
  return self->buffer->host;
}

/**
 * reformer_tensor_unmap:
 * @self: a tensor
 *
 * Ends a look at the elements begun by a [method@Tensor.map] that gave an address.
 */
void
reformer_tensor_unmap (ReformerTensor *self)
{
  g_return_if_fail (REFORMER_IS_TENSOR (self));
}

/**
 * reformer_tensor_to_string:
 * @self: a tensor
 *
 * Gets a short text such as `Tensor float32 [2, 64, 32]`.
 *
 * Returns: (transfer full): a short text such as `Tensor float32 [2, 64, 32]`
 */
char *
reformer_tensor_to_string (ReformerTensor *self)
{
  g_autofree char *shape = NULL;

  g_return_val_if_fail (REFORMER_IS_TENSOR (self), NULL);

  shape = reformer_shape_to_string (self->shape, self->n_dims);
  return g_strdup_printf ("Tensor %s %s", reformer_dtype_get_name (self->dtype), shape);
}
