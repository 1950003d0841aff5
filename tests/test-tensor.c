/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include "compute/program.h"

#include <string.h>

static ReformerDevice *device;

static void
assert_invalid (GError     **error,
                const char  *contains)
{
  g_assert_error (*error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID);
  if (strstr ((*error)->message, contains) == NULL)
    g_error ("\"%s\" does not say \"%s\"", (*error)->message, contains);
  g_assert_null (strchr ((*error)->message, '\n'));
  g_clear_error (error);
}

static void
test_round_trip (void)
{
  const ReformerDType dtypes[] = { REFORMER_DTYPE_FLOAT32, REFORMER_DTYPE_FLOAT16, REFORMER_DTYPE_BFLOAT16,
                                   REFORMER_DTYPE_INT32,   REFORMER_DTYPE_UINT8,   REFORMER_DTYPE_UINT16 };
  const char *const names[] = { "Tensor float32 [3, 1, 17]", "Tensor float16 [3, 1, 17]", "Tensor bfloat16 [3, 1, 17]",
                                "Tensor int32 [3, 1, 17]",   "Tensor uint8 [3, 1, 17]",   "Tensor uint16 [3, 1, 17]" };
  const gsize sizes[] = { 4, 2, 2, 4, 1, 2 };
  const gint64 shape[] = { 3, 1, 17 };

  for (gsize i = 0; i < G_N_ELEMENTS (dtypes); i++)
    {
      const gsize n_bytes = 51 * sizes[i];
      g_autofree guint8 *data = g_malloc (n_bytes);
      g_autoptr (GBytes) bytes = NULL;
      g_autoptr (GBytes) back = NULL;
      g_autoptr (GBytes) again = NULL;
      g_autoptr (ReformerTensor) tensor = NULL;
      g_autoptr (ReformerDevice) holder = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *text = NULL;
      g_autofree gint64 *dims = NULL;
      guint64 n_elements, n_bytes_property;
      ReformerDType dtype;
      gsize n_dims;

      for (gsize j = 0; j < n_bytes; j++)
        data[j] = (guint8) (j * 37 + i);
      bytes = g_bytes_new (data, n_bytes);

      tensor = reformer_tensor_new_from_bytes (device, dtypes[i], shape, 3, bytes, &error);
      g_assert_no_error (error);
      back = reformer_tensor_to_bytes (tensor, &error);
      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (bytes, back));

      text = reformer_tensor_to_string (tensor);
      g_assert_cmpstr (text, ==, names[i]);
      dims = reformer_tensor_get_shape (tensor, &n_dims);
      g_assert_cmpmem (dims, n_dims * sizeof (gint64), shape, sizeof shape);
      g_assert_cmpint (reformer_tensor_get_dim (tensor, -1), ==, 17);
      g_assert_cmpint (reformer_tensor_get_dim (tensor, 0), ==, 3);
      g_assert_cmpint (reformer_tensor_get_dim (tensor, 3), ==, 1);

      g_object_get (tensor, "device", &holder, "dtype", &dtype, "n-elements", &n_elements, "n-bytes", &n_bytes_property, NULL);
      g_assert_true (holder == device);
      g_assert_cmpint (dtype, ==, dtypes[i]);
      g_assert_cmpuint (n_elements, ==, 51);
      g_assert_cmpuint (n_bytes_property, ==, n_bytes);

      for (gsize j = 0; j < n_bytes; j++)
        data[j] ^= 0xff;
      g_assert_true (reformer_tensor_upload_pointer (tensor, data, n_bytes, &error));
      g_assert_no_error (error);
      again = reformer_tensor_to_bytes (tensor, &error);
      g_assert_no_error (error);
      g_assert_cmpmem (g_bytes_get_data (again, NULL), g_bytes_get_size (again), data, n_bytes);
      g_assert_true (reformer_tensor_upload (tensor, bytes, &error));
      g_assert_no_error (error);
    }
}

static void
test_zeros (void)
{
  /* The second one may get the memory of the first. */
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (ReformerTensor) tensor = test_tensor (device, NULL, 2, 33, 5);
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      g_autofree float *values = test_floats (tensor);

      for (guint j = 0; j < 165; j++)
        g_assert_cmpfloat (values[j], ==, 0.0f);
      reformer_run_fill (&run, reformer_span (tensor), 0x3f800000, 165);
      assert_run (&run);
    }
}

static void
test_scalar (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerTensor) tensor = reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, NULL, 0, &error);
  g_autofree char *text = NULL;
  g_autofree gint64 *dims = NULL;
  gsize n_dims;

  g_assert_no_error (error);
  text = reformer_tensor_to_string (tensor);
  g_assert_cmpstr (text, ==, "Tensor float32 []");
  g_assert_cmpuint (reformer_tensor_get_n_elements (tensor), ==, 1);
  dims = reformer_tensor_get_shape (tensor, &n_dims);
  g_assert_cmpuint (n_dims, ==, 0);
}

static void
test_wrong_shapes (void)
{
  const gint64 zero[] = { 3, 0, 2 }, negative[] = { -1 }, huge[] = { G_GINT64_CONSTANT (1) << 32, G_GINT64_CONSTANT (1) << 32 };
  const gint64 many[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, bytes_overflow[] = { G_MAXINT64 / 2 }, fine[] = { 2, 3 };
  g_autoptr (GBytes) bytes = g_bytes_new ("12345", 5);
  g_autoptr (ReformerTensor) tensor = test_tensor (device, NULL, 2, 2, 3);
  GError *error = NULL;
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  g_assert_null (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, zero, 3, &error));
  assert_invalid (&error, "[3, 0, 2]");
  g_assert_null (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, negative, 1, &error));
  assert_invalid (&error, "[-1]");
  g_assert_null (reformer_tensor_new (device, REFORMER_DTYPE_UINT8, huge, 2, &error));
  assert_invalid (&error, "[4294967296, 4294967296]");
  g_assert_null (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, bytes_overflow, 1, &error));
  assert_invalid (&error, "bytes");
  g_assert_null (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, many, 9, &error));
  assert_invalid (&error, "9 dimensions");
  g_assert_null (reformer_tensor_new (device, (ReformerDType) 77, fine, 2, &error));
  assert_invalid (&error, "77");
  g_assert_null (reformer_tensor_new_from_bytes (device, REFORMER_DTYPE_FLOAT32, fine, 2, bytes, &error));
  assert_invalid (&error, "has 24 bytes, 5 bytes were given");
  g_assert_null (reformer_tensor_new_from_bytes (device, REFORMER_DTYPE_FLOAT32, bytes_overflow, 1, bytes, &error));
  assert_invalid (&error, "bytes");
  g_assert_false (reformer_tensor_upload (tensor, bytes, &error));
  assert_invalid (&error, "Tensor float32 [2, 3] has 24 bytes, 5 bytes were given");
  g_assert_null (reformer_tensor_reshape (tensor, many, 3, &error));
  assert_invalid (&error, "Tensor float32 [2, 3] cannot become [1, 1, 1]: 6 elements are not 1");
  g_assert_null (reformer_tensor_reshape (tensor, zero, 3, &error));
  assert_invalid (&error, "[3, 0, 2]");

  g_assert_null (reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 2, (gint64) 0, (gint64) 4));
  assert_invalid (&run.error, "[0, 4]");
}

static void
test_reshape (void)
{
  const gint64 flat[] = { 6 };
  float values[6] = { 1, 2, 3, 4, 5, 6 };
  g_autoptr (ReformerTensor) tensor = test_tensor (device, values, 2, 2, 3);
  g_autoptr (ReformerTensor) view = NULL;
  g_autofree float *seen = NULL;
  g_autoptr (GError) error = NULL;
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  view = reformer_tensor_reshape (tensor, flat, 1, &error);
  g_assert_no_error (error);
  reformer_run_fill (&run, reformer_at (view, 4), 0x40e00000 /* 7 */, 1);
  assert_run (&run);
  seen = test_floats (tensor);
  g_assert_cmpfloat (seen[4], ==, 7.0f);
  g_assert_cmpfloat (seen[5], ==, 6.0f);

  /* The view keeps the memory. */
  g_clear_object (&tensor);
  g_free (seen);
  seen = test_floats (view);
  g_assert_cmpfloat (seen[0], ==, 1.0f);
}

static const char source[] =
  "__kernel void twice (SPAN (const float, x), SPAN (float, y), int n)\n"
  "{\n"
  "  BEGIN (const float, x);\n"
  "  BEGIN (float, y);\n"
  "  const int i = get_global_id (0);\n"
  "  if (i < n)\n"
  "    y[i] = 2.0f * x[i];\n"
  "}\n"
  "__kernel void has (SPAN (const float, x), SPAN (int, y))\n"
  "{\n"
  "  BEGIN (int, y);\n"
  "  y[0] = x_ != 0;\n"
  "}\n";

static void
twice (ReformerRun    *run,
       ReformerTensor *x,
       ReformerTensor *y,
       gsize           n)
{
  REFORMER_LAUNCH (run, "test-tensor", NULL, "twice", reformer_grid_items (device, n, 1, 1), REFORMER_SPAN (reformer_span (x)),
                   REFORMER_SPAN (reformer_span (y)), REFORMER_INT (n));
}

static void
test_map (void)
{
  float values[100];
  g_autoptr (ReformerTensor) x = NULL;
  g_autoptr (ReformerTensor) y = NULL;
  g_autofree float *seen = NULL;
  g_autoptr (GError) error = NULL;
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  float *address;

  test_fill (values, 100, 1);
  x = test_tensor (device, values, 1, 100);
  y = test_tensor (device, NULL, 1, 100);

  if (!reformer_device_shares_memory (device))
    {
      g_assert_null (reformer_tensor_map (x, &error));
      g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT);
      g_test_skip ("the device has memory of its own");
      return;
    }

  /* What kernels write is seen through the address, and what is written there by kernels. */
  reformer_program_add_source (device, "test-tensor", source);
  twice (&run, x, y, 100);
  assert_run (&run);
  address = reformer_tensor_map (y, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 100; i++)
    g_assert_cmpfloat (address[i], ==, 2.0f * values[i]);
  address[42] = 21.0f;
  reformer_tensor_unmap (y);

  twice (&run, y, x, 100);
  seen = test_floats (x);
  assert_run (&run);
  g_assert_cmpfloat (seen[42], ==, 42.0f);
  g_assert_cmpfloat (seen[41], ==, 4.0f * values[41]);
  g_assert_true (reformer_tensor_map (y, &error) == (gpointer) address);
  reformer_tensor_unmap (y);

  /* Vector kernels may read a little beyond the end. */
  for (guint i = 0; i < 64; i++)
    g_assert_cmpint (((volatile char *) address)[400 + i], >=, -128);
}

static void
test_null_span (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 1, 3);
  g_autoptr (ReformerTensor) y = test_tensor_int (device, NULL, 1, 2);
  g_autofree gint32 *seen = NULL;

  reformer_program_add_source (device, "test-tensor", source);
  REFORMER_LAUNCH (&run, "test-tensor", NULL, "has", reformer_grid_tiles (1, 1, 1), REFORMER_SPAN (reformer_span (x)),
                   REFORMER_SPAN (reformer_span (y)));
  REFORMER_LAUNCH (&run, "test-tensor", NULL, "has", reformer_grid_tiles (1, 1, 1), REFORMER_SPAN (REFORMER_NOTHING),
                   REFORMER_SPAN (reformer_at (y, 1)));
  assert_run (&run);
  seen = test_ints (y);
  g_assert_cmpint (seen[0], ==, 1);
  g_assert_cmpint (seen[1], ==, 0);
}

static void
test_transfers (void)
{
  float values[50], part[10];
  g_autoptr (ReformerTensor) x = NULL;
  g_autoptr (ReformerTensor) y = test_tensor (device, NULL, 1, 50);
  g_autoptr (ReformerTensor) bytes = test_tensor_bytes (device, NULL, 1, 9);
  g_autoptr (ReformerTensor) halves = NULL;
  g_autofree guint8 *seen = NULL;
  g_autofree guint16 *seen_halves = NULL;
  const gint64 nine = 9;
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  test_fill (values, 50, 3);
  x = test_tensor (device, values, 1, 50);
  reformer_run_copy (&run, reformer_at (x, 7), reformer_at (y, 33), 10);
  reformer_run_read (&run, reformer_at (y, 33), part, 10);
  assert_same_bits ("copy", part, values + 7, 10);
  reformer_run_write (&run, reformer_at (y, 3), values, 10);
  reformer_run_read (&run, reformer_at (y, 3), part, 10);
  assert_same_bits ("write", part, values, 10);

  reformer_run_fill (&run, reformer_at (bytes, 2), 0x55, 3);
  seen = test_bytes (bytes);
  g_assert_cmpmem (seen, 9, "\0\0\x55\x55\x55\0\0\0\0", 9);

  halves = reformer_run_new (&run, REFORMER_DTYPE_UINT16, 1, nine);
  reformer_run_fill (&run, reformer_span (halves), 0x1234, 9);
  reformer_run_fill (&run, reformer_at (halves, 3), 0x5678, 1);
  assert_run (&run);
  seen_halves = test_shorts (halves);
  g_assert_cmphex (seen_halves[2], ==, 0x1234);
  g_assert_cmphex (seen_halves[3], ==, 0x5678);
  g_assert_cmphex (seen_halves[4], ==, 0x1234);

  /* Nothing at all is fine. */
  reformer_run_copy (&run, reformer_at (x, 50), reformer_at (y, 50), 0);
  reformer_run_fill (&run, reformer_at (x, 50), 0, 0);
  reformer_run_read (&run, reformer_at (x, 50), part, 0);
  assert_run (&run);
}

static void
test_bounds (void)
{
  float value = 1.0f;
  g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 1, 50);
  g_autoptr (ReformerTensor) bytes = test_tensor_bytes (device, NULL, 1, 50);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  reformer_run_fill (&run, reformer_at (x, 41), 0, 10);
  assert_invalid (&run.error, "fill: elements 41 to 51 wanted of a tensor of 50");
  reformer_run_copy (&run, reformer_at (x, 0), reformer_at (x, 26), 25);
  assert_invalid (&run.error, "copy");
  reformer_run_copy (&run, reformer_at (x, 0), reformer_at (bytes, 0), 5);
  assert_invalid (&run.error, "copy from float32 to uint8");
  reformer_run_read (&run, reformer_at (x, 50), &value, 1);
  assert_invalid (&run.error, "read");
  reformer_run_write (&run, reformer_at (x, G_MAXSIZE), &value, 2);
  assert_invalid (&run.error, "write");
  REFORMER_LAUNCH (&run, "test-tensor", NULL, "twice", reformer_grid_items (device, 1, 1, 1), REFORMER_SPAN (reformer_at (x, 51)),
                   REFORMER_SPAN (reformer_span (x)), REFORMER_INT (1));
  assert_invalid (&run.error, "twice");
}

static void
test_views_of_freed (void)
{
  /* A freed tensor's memory may go to the next of its size; neither disturbs the other. */
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) y = test_tensor (device, NULL, 1, 1000);
  g_autofree float *seen = NULL;

  reformer_program_add_source (device, "test-tensor", source);
  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (ReformerTensor) x = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) 1000);
      const float value = (float) i;
      guint32 pattern;

      memcpy (&pattern, &value, sizeof pattern);
      reformer_run_fill (&run, reformer_span (x), pattern, 1000);
      twice (&run, x, y, 1000);
    }
  assert_run (&run);
  seen = test_floats (y);
  for (guint i = 0; i < 1000; i++)
    g_assert_cmpfloat (seen[i], ==, 398.0f);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();

  g_test_add_func ("/tensor/round-trip", test_round_trip);
  g_test_add_func ("/tensor/zeros", test_zeros);
  g_test_add_func ("/tensor/scalar", test_scalar);
  g_test_add_func ("/tensor/wrong-shapes", test_wrong_shapes);
  g_test_add_func ("/tensor/reshape", test_reshape);
  g_test_add_func ("/tensor/map", test_map);
  g_test_add_func ("/tensor/null-span", test_null_span);
  g_test_add_func ("/tensor/transfers", test_transfers);
  g_test_add_func ("/tensor/bounds", test_bounds);
  g_test_add_func ("/tensor/freed", test_views_of_freed);

  status = test_run ();
  g_object_unref (device);
  return status;
}
