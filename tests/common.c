/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static ReformerDevice *kept;

/* Not at exit: by then LLVM, which PoCL loads, may have cleared what it needs. */
int
test_run (void)
{
  const int status = g_test_run ();

  g_clear_object (&kept);
  return status;
}

ReformerDevice *
test_device (void)
{
  g_autoptr (GError) error = NULL;
  ReformerDevice *device = reformer_device_get_default (&error);

  if (device == NULL)
    {
      g_print ("1..0 # SKIP %s\n", error->message);
      exit (77);
    }
  g_set_object (&kept, device);
  /* LLVM, which PoCL loads, catches it once and goes on: the first critical message would end nothing. */
  signal (SIGTRAP, SIG_DFL);
  return device;
}

ReformerDevice *
test_new_device (void)
{
  g_clear_object (&kept);
  return test_device ();
}

gboolean
test_device_slow (ReformerDevice *device)
{
  return strstr (reformer_device_get_name (device), "Oclgrind") != NULL;
}

/* ---- numbers ---- */

static guint32
next_random (guint64 *state)
{
  guint64 x;

  *state += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  x = *state;
  x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return (guint32) ((x ^ (x >> 31)) >> 32);
}

void
test_fill (float   *values,
           gsize    n,
           guint32  seed)
{
  guint64 state = seed;

  for (gsize i = 0; i < n; i++)
    values[i] = (float) (next_random (&state) >> 8) * 0x1p-23f - 1.0f;
}

void
test_fill_int (gint32  *values,
               gsize    n,
               gint32   below,
               guint32  seed)
{
  guint64 state = seed;

  for (gsize i = 0; i < n; i++)
    values[i] = (gint32) ((guint64) next_random (&state) * (guint64) below >> 32);
}

/* ---- tensors ---- */

static ReformerTensor *
make (ReformerDevice *device,
      ReformerDType   dtype,
      gconstpointer   values,
      guint           n_dims,
      va_list         dims)
{
  g_autoptr (GError) error = NULL;
  gint64 shape[REFORMER_MAX_DIMS];
  ReformerTensor *tensor;

  for (guint i = 0; i < n_dims; i++)
    shape[i] = va_arg (dims, int);

  tensor = reformer_tensor_new (device, dtype, shape, n_dims, &error);
  g_assert_no_error (error);
  if (values != NULL)
    {
      reformer_tensor_upload_pointer (tensor, (gpointer) values, reformer_tensor_get_n_bytes (tensor), &error);
      g_assert_no_error (error);
    }
  return tensor;
}

ReformerTensor *
test_tensor (ReformerDevice *device,
             const float    *values,
             guint           n_dims,
             ...)
{
  ReformerTensor *tensor;
  va_list dims;

  va_start (dims, n_dims);
  tensor = make (device, REFORMER_DTYPE_FLOAT32, values, n_dims, dims);
  va_end (dims);
  return tensor;
}

ReformerTensor *
test_tensor_int (ReformerDevice *device,
                 const gint32   *values,
                 guint           n_dims,
                 ...)
{
  ReformerTensor *tensor;
  va_list dims;

  va_start (dims, n_dims);
  tensor = make (device, REFORMER_DTYPE_INT32, values, n_dims, dims);
  va_end (dims);
  return tensor;
}

ReformerTensor *
test_tensor_bytes (ReformerDevice *device,
                   const guint8   *values,
                   guint           n_dims,
                   ...)
{
  ReformerTensor *tensor;
  va_list dims;

  va_start (dims, n_dims);
  tensor = make (device, REFORMER_DTYPE_UINT8, values, n_dims, dims);
  va_end (dims);
  return tensor;
}

static gpointer
read_all (ReformerTensor *tensor,
          gsize           element)
{
  g_autoptr (GError) error = NULL;
  GBytes *bytes = reformer_tensor_to_bytes (tensor, &error);
  gsize size;

  g_assert_no_error (error);
  g_assert_cmpuint (reformer_dtype_get_size (reformer_tensor_get_dtype (tensor)), ==, element);
  return g_bytes_unref_to_data (bytes, &size);
}

float *
test_floats (ReformerTensor *tensor)
{
  return read_all (tensor, sizeof (float));
}

gint32 *
test_ints (ReformerTensor *tensor)
{
  return read_all (tensor, sizeof (gint32));
}

guint8 *
test_bytes (ReformerTensor *tensor)
{
  return read_all (tensor, sizeof (guint8));
}

guint16 *
test_shorts (ReformerTensor *tensor)
{
  return read_all (tensor, sizeof (guint16));
}

/* ---- comparing ---- */

double
test_largest (const double *values,
              gsize         n)
{
  double largest = 0;

  for (gsize i = 0; i < n; i++)
    largest = fmax (largest, fabs (values[i]));
  return largest;
}

void
assert_near (const char   *name,
             const float  *got,
             const double *want,
             gsize         n,
             double        tolerance)
{
  double worst = -1.0;
  gsize at = 0, n_bad = 0;

  for (gsize i = 0; i < n; i++)
    {
      const double difference = fabs ((double) got[i] - want[i]);
      /* What is not a number differs by more than anything. */
      const double counted = difference >= 0.0 ? difference : HUGE_VAL;

      if (!(counted <= tolerance))
        n_bad++;
      if (counted > worst)
        {
          worst = counted;
          at = i;
        }
    }

  if (n_bad > 0)
    {
      g_test_message ("%s: %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " elements differ; at %" G_GSIZE_FORMAT
                      " is %.9g instead of %.9g, %.3g apart, allowed are %.3g",
                      name, n_bad, n, at, (double) got[at], want[at], worst, tolerance);
      g_printerr ("%s: %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " elements differ; at %" G_GSIZE_FORMAT
                  " is %.9g instead of %.9g, %.3g apart, allowed are %.3g\n",
                  name, n_bad, n, at, (double) got[at], want[at], worst, tolerance);
      g_test_fail ();
    }
}

void
assert_close (const char   *name,
              const float  *got,
              const double *want,
              gsize         n,
              double        tolerance)
{
  assert_near (name, got, want, n, tolerance * test_largest (want, n));
}

void
assert_same_bits (const char  *name,
                  const float *got,
                  const float *want,
                  gsize        n)
{
  for (gsize i = 0; i < n; i++)
    if (memcmp (&got[i], &want[i], sizeof (float)) != 0)
      {
        g_printerr ("%s: element %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " is %.9g instead of %.9g\n", name, i, n, (double) got[i],
                    (double) want[i]);
        g_test_fail ();
        return;
      }
}

char *
test_print_elsewhere (const char *threads)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *self = g_file_read_link ("/proc/self/exe", &error);
  char *output = NULL;

  g_assert_no_error (error);
  g_subprocess_launcher_setenv (launcher, "POCL_MAX_PTHREAD_COUNT", threads, TRUE);
  process = g_subprocess_launcher_spawn (launcher, &error, self, "--print", NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_successful (process));
  return output;
}

void
assert_same_elsewhere (ReformerDevice *device,
                       const char     *here)
{
  static const char *const threads[] = { "1", "2" };

  if (strstr (reformer_device_get_platform (device), "Portable Computing Language") == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      g_autofree char *there = test_print_elsewhere (threads[i]);

      g_assert_cmpstr (there, ==, here);
    }
}

void
assert_run (ReformerRun *run)
{
  g_autoptr (GError) error = NULL;

  reformer_run_finish (run, &error);
  g_assert_no_error (error);
}
