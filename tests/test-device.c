/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include "compute/program.h"

#include <libreformer/compute/reformer-device-list.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static ReformerDevice *device;
static const char *program_path;

static const char source[] =
  "#ifndef ADDEND\n"
  "#define ADDEND 1.0f\n"
  "#endif\n"
  "__kernel void add (SPAN (float, x), int n)\n"
  "{\n"
  "  BEGIN (float, x);\n"
  "  const int i = get_global_id (0);\n"
  "  if (i < n)\n"
  "    x[i] += ADDEND;\n"
  "}\n";

static void
add_options (ReformerRun    *run,
             ReformerTensor *x,
             gsize           n,
             const char     *options)
{
  REFORMER_LAUNCH (run, "test-device", options, "add", reformer_grid_items (run->device, n, 1, 1), REFORMER_SPAN (reformer_span (x)),
                   REFORMER_INT (n));
}

static void
add (ReformerRun    *run,
     ReformerTensor *x,
     gsize           n)
{
  add_options (run, x, n, NULL);
}

static void
assert_says (const GError *error,
             const char   *contains)
{
  g_assert_nonnull (error);
  if (strstr (error->message, contains) == NULL)
    g_error ("\"%s\" does not say \"%s\"", error->message, contains);
  g_assert_null (strchr (error->message, '\n'));
}

/* The same device as before, opened again, with what the environment says now. */
static void
reopen (void)
{
  g_autofree char *name = g_strdup (reformer_device_get_name (device));
  g_autoptr (GError) error = NULL;

  reformer_device_close (device);
  g_object_unref (device);
  device = reformer_device_find (name, &error);
  g_assert_no_error (error);
  reformer_program_add_source (device, "test-device", source);
}

/* ---- what there is ---- */

static void
test_list (void)
{
  g_autoptr (ReformerDeviceList) list = reformer_device_list_new ();
  const guint n = g_list_model_get_n_items (G_LIST_MODEL (list));
  gboolean found = FALSE;
  guint n_property;
  GType item_type;

  g_assert_cmpuint (n, >=, 1);
  g_assert_true (g_list_model_get_item_type (G_LIST_MODEL (list)) == REFORMER_TYPE_DEVICE);
  g_object_get (list, "item-type", &item_type, "n-items", &n_property, NULL);
  g_assert_cmpuint (n_property, ==, n);
  g_assert_true (item_type == REFORMER_TYPE_DEVICE);
  g_assert_null (g_list_model_get_item (G_LIST_MODEL (list), n));

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (ReformerDevice) item = g_list_model_get_item (G_LIST_MODEL (list), i);
      g_autofree char *number = g_strdup_printf ("%u", i);
      g_autoptr (GError) error = NULL;
      g_autoptr (ReformerDevice) same = reformer_device_find (number, &error);

      g_assert_no_error (error);
      g_assert_true (same == item);
      found = found || item == device;
    }
  g_assert_true (found);
}

static void
test_find (void)
{
  const char *name = reformer_device_get_name (device);
  g_autofree char *upper = g_ascii_strup (name, -1);
  g_autofree char *part = g_strndup (name, strlen (name) / 2 + 1);
  g_autofree char *old = g_strdup (g_getenv ("REFORMER_DEVICE"));
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerDevice) found = NULL;
  g_autoptr (ReformerDevice) by_default = NULL;

  found = reformer_device_find (upper, &error);
  g_assert_no_error (error);
  g_assert_true (found == device);
  g_clear_object (&found);

  found = reformer_device_find (part, &error);
  g_assert_no_error (error);
  g_assert_nonnull (found);
  g_clear_object (&found);

  if (reformer_device_get_kind (device) == REFORMER_DEVICE_KIND_CPU)
    {
      found = reformer_device_find ("CPU", &error);
      g_assert_no_error (error);
      g_assert_cmpint (reformer_device_get_kind (found), ==, REFORMER_DEVICE_KIND_CPU);
      g_clear_object (&found);
    }

  g_assert_null (reformer_device_find ("no such thing", &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_NOT_FOUND);
  assert_says (error, "\"no such thing\"");
  assert_says (error, name);
  assert_says (error, "pocl-opencl-icd");
  g_clear_error (&error);

  g_assert_null (reformer_device_find ("4000000000", &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_null (reformer_device_find ("\xff\xfe", &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_NOT_FOUND);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_clear_error (&error);

  g_setenv ("REFORMER_DEVICE", name, TRUE);
  by_default = reformer_device_get_default (&error);
  g_assert_no_error (error);
  g_assert_true (by_default == device);
  g_setenv ("REFORMER_DEVICE", "neither this", TRUE);
  g_assert_null (reformer_device_get_default (&error));
  assert_says (error, "\"neither this\"");

  if (old != NULL)
    g_setenv ("REFORMER_DEVICE", old, TRUE);
  else
    g_unsetenv ("REFORMER_DEVICE");
}

static void
test_properties (void)
{
  g_autofree char *name = NULL, *vendor = NULL, *platform = NULL, *driver = NULL, *kernels = NULL;
  ReformerDeviceKind kind;
  guint compute_units;
  guint64 memory, local_memory, max_allocation, limit, used, peak;

  g_object_get (device, "name", &name, "vendor", &vendor, "platform", &platform, "driver", &driver, "kernels", &kernels, "kind", &kind,
                "compute-units", &compute_units, "memory", &memory, "local-memory", &local_memory, "max-allocation", &max_allocation,
                "memory-limit", &limit, "memory-used", &used, "memory-peak", &peak, NULL);

  g_test_message ("%s, %s, %s, %s: %s kernels, vectors of %u, %u units, memory %" G_GUINT64_FORMAT ", local %" G_GUINT64_FORMAT
                  ", largest %" G_GUINT64_FORMAT,
                  name, vendor, platform, driver, kernels, reformer_device_get_vector_width (device), compute_units, memory, local_memory,
                  max_allocation);
  g_assert_cmpstr (name, ==, reformer_device_get_name (device));
  g_assert_cmpstr (vendor, ==, reformer_device_get_vendor (device));
  g_assert_cmpstr (platform, ==, reformer_device_get_platform (device));
  g_assert_cmpstr (driver, ==, reformer_device_get_driver (device));
  g_assert_cmpstr (kernels, ==, reformer_device_get_kernels (device));
  g_assert_cmpint (kind, ==, reformer_device_get_kind (device));
  g_assert_cmpuint (compute_units, ==, reformer_device_get_compute_units (device));
  g_assert_cmpuint (memory, ==, reformer_device_get_memory (device));
  g_assert_cmpuint (local_memory, ==, reformer_device_get_local_memory (device));
  g_assert_cmpuint (max_allocation, ==, reformer_device_get_max_allocation (device));
  g_assert_cmpuint (limit, ==, 0);
  g_assert_cmpuint (used, ==, reformer_device_get_memory_used (device));
  g_assert_cmpuint (peak, ==, reformer_device_get_memory_peak (device));
  g_assert_cmpuint (compute_units, >=, 1);
  g_assert_cmpuint (memory, >, 0);
}

static void
test_choices (void)
{
  g_autofree char *kernels = g_strdup (g_getenv ("REFORMER_KERNELS"));
  g_autofree char *width = g_strdup (g_getenv ("REFORMER_VECTOR_WIDTH"));

  g_setenv ("REFORMER_KERNELS", "simt", TRUE);
  g_setenv ("REFORMER_VECTOR_WIDTH", "8", TRUE);
  reopen ();
  g_assert_false (reformer_device_is_wide (device));
  g_assert_cmpstr (reformer_device_get_kernels (device), ==, "simt");
  g_assert_cmpuint (reformer_device_get_vector_width (device), ==, 8);
  g_assert_cmpuint (reformer_grid_items (device, 65, 2, 3).global[0] % reformer_grid_items (device, 65, 2, 3).local[0], ==, 0);

  g_setenv ("REFORMER_KERNELS", "wide", TRUE);
  g_setenv ("REFORMER_VECTOR_WIDTH", "16", TRUE);
  reopen ();
  g_assert_true (reformer_device_is_wide (device));
  g_assert_cmpuint (reformer_device_get_vector_width (device), ==, 16);

  if (kernels != NULL)
    g_setenv ("REFORMER_KERNELS", kernels, TRUE);
  else
    g_unsetenv ("REFORMER_KERNELS");
  if (width != NULL)
    g_setenv ("REFORMER_VECTOR_WIDTH", width, TRUE);
  else
    g_unsetenv ("REFORMER_VECTOR_WIDTH");
  reopen ();
}

static void
test_no_device_object (void)
{
  g_autoptr (ReformerDevice) none = g_object_new (REFORMER_TYPE_DEVICE, NULL);
  g_autoptr (GError) error = NULL;
  const gint64 shape = 3;

  g_assert_null (reformer_tensor_new (none, REFORMER_DTYPE_FLOAT32, &shape, 1, &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_true (reformer_device_synchronize (none, &error));
  g_assert_false (reformer_device_shares_memory (none));
}

/* ---- work ---- */

static void
test_many_launches (void)
{
  const guint n = test_device_slow (device) ? 300 : 2000;
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 1, 33);
  g_autofree float *seen = NULL;

  for (guint i = 0; i < n; i++)
    add (&run, x, 33);
  /* Empty grids launch nothing. */
  REFORMER_LAUNCH (&run, "test-device", NULL, "add", reformer_grid_tiles (0, 1, 1), REFORMER_SPAN (reformer_span (x)), REFORMER_INT (33));
  add_options (&run, x, 33, "-DADDEND=0.5f");
  assert_run (&run);
  seen = test_floats (x);
  for (guint i = 0; i < 33; i++)
    g_assert_cmpfloat (seen[i], ==, (float) n + 0.5f);
}

static void
test_launch_errors (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 1, 33);
  const gsize too_many = reformer_device_get_max_group (device) * 2;

  REFORMER_LAUNCH (&run, "test-device", NULL, "missing", reformer_grid_tiles (1, 1, 1), REFORMER_INT (1));
  g_assert_error (run.error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_FAILED);
  assert_says (run.error, "missing");
  assert_says (run.error, "CL_INVALID_KERNEL_NAME");

  /* Nothing more happens after a failure, and the first is kept. */
  add (&run, x, 33);
  reformer_run_fail (&run, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "second");
  reformer_run_take (&run, g_error_new_literal (REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID, "third"));
  g_assert_null (reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) 3));
  g_assert_false (reformer_run_ok (&run));
  assert_says (run.error, "missing");
  reformer_run_clear (&run);

  REFORMER_LAUNCH (&run, "no-family", NULL, "add", reformer_grid_tiles (1, 1, 1), REFORMER_INT (1));
  g_assert_error (run.error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_BUILD_FAILED);
  assert_says (run.error, "no-family");
  reformer_run_clear (&run);

  REFORMER_LAUNCH (&run, "test-device", NULL, "add", reformer_grid_groups (1, 1, 1, too_many, 1), REFORMER_SPAN (reformer_span (x)),
                   REFORMER_INT (33));
  g_assert_error (run.error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT);
  assert_says (run.error, "kernel add (test-device) wants groups of ");
  assert_says (run.error, "the device takes at most ");
  reformer_run_clear (&run);

  REFORMER_LAUNCH (&run, "test-device", NULL, "add", reformer_grid_tiles (1, 1, 1), REFORMER_SPAN (reformer_span (x)), REFORMER_INT (33),
                   REFORMER_INT (1));
  g_assert_nonnull (run.error);
  assert_says (run.error, "argument 3 of kernel add");
  reformer_run_clear (&run);
}

static void
test_cancelled (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  ReformerRun run = REFORMER_RUN_INIT (device, cancellable);
  g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 1, 3);
  g_autoptr (GError) error = NULL;
  g_autofree float *seen = NULL;

  add (&run, x, 3);
  g_assert_true (reformer_run_ok (&run));
  g_cancellable_cancel (cancellable);
  add (&run, x, 3);
  g_assert_false (reformer_run_finish (&run, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  seen = test_floats (x);
  g_assert_cmpfloat (seen[0], ==, 1.0f);
}

static void
test_build_failure (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) x = test_tensor (device, NULL, 1, 3);

  reformer_program_add_source (device, "test-broken", "__kernel void broken (SPAN (float, x))\n{\n  nothing_known = 3;\n}\n");
  REFORMER_LAUNCH (&run, "test-broken", NULL, "broken", reformer_grid_tiles (1, 1, 1), REFORMER_SPAN (reformer_span (x)));
  g_assert_error (run.error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_BUILD_FAILED);
  g_test_message ("%s", run.error->message);
  assert_says (run.error, "kernel family test-broken did not build");
  assert_says (run.error, "nothing_known");
  reformer_run_clear (&run);

  /* A wrong option is an error as well, or nothing. rusticl and oclgrind end the process. */
  if (strstr (reformer_device_get_platform (device), "rusticl") != NULL || test_device_slow (device))
    return;
  add_options (&run, x, 3, "-Dno such option");
  if (run.error != NULL)
    assert_says (run.error, "test-device");
  reformer_run_clear (&run);
}

typedef struct
{
  guint    number;
  gboolean right;
} Worker;

static gpointer
work (gpointer data)
{
  Worker *worker = data;
  const gint64 n = 100 + worker->number;
  const guint rounds = test_device_slow (device) ? 5 : 100;

  for (guint i = 0; i < rounds; i++)
    {
      ReformerRun run = REFORMER_RUN_INIT (device, NULL);
      g_autoptr (ReformerTensor) x = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, n);
      float last = -1.0f;

      if (x == NULL)
        break;
      reformer_run_fill (&run, reformer_span (x), 0, n);
      for (guint j = 0; j <= worker->number; j++)
        add (&run, x, n);
      reformer_run_read (&run, reformer_at (x, n - 1), &last, 1);
      if (!reformer_run_ok (&run) || last != (float) (worker->number + 1))
        {
          reformer_run_clear (&run);
          return NULL;
        }
    }
  worker->right = TRUE;
  return NULL;
}

static void
test_threads (void)
{
  Worker workers[6];
  GThread *threads[6];
  const guint64 used = reformer_device_get_memory_used (device);

  for (guint i = 0; i < 6; i++)
    {
      workers[i] = (Worker) { i, FALSE };
      threads[i] = g_thread_new ("worker", work, &workers[i]);
    }
  for (guint i = 0; i < 6; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < 6; i++)
    g_assert_true (workers[i].right);
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, used);
}

/* ---- memory ---- */

static void
count_notify (guint *count)
{
  (*count)++;
}

static void
test_limit (void)
{
  const guint64 before = reformer_device_get_memory_used (device);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) a = NULL;
  g_autoptr (ReformerTensor) b = NULL;
  g_autofree char *used = NULL, *limit = NULL;
  g_autoptr (GError) error = NULL;
  const gint64 beyond = G_MAXINT64 / 8;
  guint n_notified = 0;
  gulong handler;

  handler = g_signal_connect_swapped (device, "notify::memory-limit", G_CALLBACK (count_notify), &n_notified);
  reformer_device_set_memory_limit (device, before + 3 * 4096);
  reformer_device_set_memory_limit (device, before + 3 * 4096);
  g_assert_cmpuint (n_notified, ==, 1);

  a = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) 1025); /* two pages */
  assert_run (&run);
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before + 8192);
  run.part = "somewhere";
  b = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) 1025);
  g_assert_null (b);
  g_assert_error (run.error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY);
  assert_says (run.error, "8192 bytes wanted for somewhere");
  used = g_strdup_printf ("%" G_GUINT64_FORMAT " in use", before + 8192);
  limit = g_strdup_printf ("limit is %" G_GUINT64_FORMAT, before + 12288);
  assert_says (run.error, used);
  assert_says (run.error, limit);
  reformer_run_clear (&run);

  b = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) 1024);
  assert_run (&run);
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before + 12288);
  reformer_device_set_memory_limit (device, 0);
  g_signal_handler_disconnect (device, handler);

  /* More than there is. */
  g_assert_null (reformer_tensor_new (device, REFORMER_DTYPE_FLOAT32, &beyond, 1, &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY);
  assert_says (error, reformer_device_get_name (device));
}

static void
test_peak (void)
{
  const guint64 before = reformer_device_get_memory_used (device);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  g_autoptr (ReformerTensor) a = NULL;
  g_autoptr (ReformerTensor) b = NULL;
  g_autoptr (GArray) parts = NULL;
  guint64 sum = 0, weights = 0, work_bytes = 0, other = 0;
  const char *outer;

  reformer_device_reset_memory_peak (device);
  g_assert_cmpuint (reformer_device_get_memory_peak (device), ==, before);

  outer = reformer_run_part (&run, "weights");
  g_assert_null (outer);
  a = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 2, (gint64) 10, (gint64) 1000); /* 40,000 bytes: 10 pages */
  outer = reformer_run_part (&run, "work");
  g_assert_cmpstr (outer, ==, "weights");
  b = reformer_run_new (&run, REFORMER_DTYPE_UINT8, 1, (gint64) 1);
  reformer_run_part (&run, outer);
  g_clear_object (&b);
  b = reformer_run_new (&run, REFORMER_DTYPE_INT32, 1, (gint64) 1);
  assert_run (&run);

  g_assert_cmpuint (reformer_device_get_memory_peak (device), ==, before + 11 * 4096);
  parts = reformer_device_get_peak_parts (device);
  for (guint i = 0; i < parts->len; i++)
    {
      const ReformerMemoryPart *part = &g_array_index (parts, ReformerMemoryPart, i);

      sum += part->bytes;
      if (g_str_equal (part->part, "weights"))
        weights = part->bytes;
      else if (g_str_equal (part->part, "work"))
        work_bytes = part->bytes;
      else if (g_str_equal (part->part, "other"))
        other = part->bytes;
    }
  g_assert_cmpuint (sum, ==, reformer_device_get_memory_peak (device));
  g_assert_cmpuint (weights, ==, 10 * 4096);
  g_assert_cmpuint (work_bytes, ==, 4096);
  g_assert_cmpuint (other, <=, before);

  g_clear_object (&a);
  g_clear_object (&b);
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before);
  g_assert_cmpuint (reformer_device_get_memory_peak (device), ==, before + 11 * 4096);
}

static void
test_pool (void)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const guint64 before = reformer_device_get_memory_used (device);
  ReformerTensor *tensor;
  gpointer first;

  /* Exactly the same size comes back, with its memory. */
  tensor = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) 54321);
  first = reformer_tensor_get_buffer (tensor);
  g_object_unref (tensor);
  g_assert_cmpuint (reformer_device_get_memory_used (device), ==, before);
  tensor = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) 54400);
  g_assert_true (reformer_tensor_get_buffer (tensor) != first);
  g_object_unref (tensor);
  tensor = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) 54321);
  g_assert_true (reformer_tensor_get_buffer (tensor) == first);
  g_object_unref (tensor);
  assert_run (&run);

  /* What was in use at once waits to be used again, its pages lent to the system meanwhile. */
  if (device->shares_memory)
    {
      ReformerTensor *tensors[3];
      gpointer buffers[3];

      for (guint round = 0; round < 2; round++)
        {
          for (guint i = 0; i < 3; i++)
            {
              tensors[i] = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) 5 << 20);
              if (round == 0)
                buffers[i] = reformer_tensor_get_buffer (tensors[i]);
              else
                g_assert_true (reformer_tensor_get_buffer (tensors[i]) == buffers[2 - i]);
              reformer_run_fill (&run, reformer_span (tensors[i]), 0x3f800000 + ((3 * round + i) << 20), 5 << 20); /* 1 + (3 round + i) / 8 */
            }
          for (guint i = 0; i < 3; i++)
            {
              g_autofree float *seen = test_floats (tensors[i]);

              g_assert_cmpfloat (seen[0], ==, 1.0f + (float) (3 * round + i) / 8);
              g_assert_cmpfloat (seen[(5 << 20) - 1], ==, seen[0]);
            }
          for (guint i = 0; i < 3; i++)
            g_object_unref (tensors[i]);
          assert_run (&run);
          g_assert_true (reformer_device_synchronize (device, NULL));
          g_assert_cmpuint (device->cached_bytes, >=, 60 << 20);
          g_assert_true (((ReformerBuffer *) buffers[2 * round])->offered); /* the first one freed */
          g_assert_false (((ReformerBuffer *) buffers[2 - 2 * round])->offered);
        }
    }
  reformer_device_reset_memory_peak (device);

  /* Many sizes: what is kept stays small, whether the device was waited for or not. */
  for (gint64 i = 0; i < 40; i++)
    {
      const gint64 n = ((4 << 20) + 4096 * i) / 4;

      tensor = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, n);
      reformer_run_fill (&run, reformer_span (tensor), 0, 1000);
      g_object_unref (tensor);
      g_assert_cmpuint (device->cached_bytes, <=, REFORMER_POOL_BYTES + 4 * n);
    }
  assert_run (&run);
  tensor = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) 17 << 18);
  assert_run (&run);
  g_assert_cmpuint (device->cached_bytes, <=, REFORMER_POOL_BYTES);
  g_object_unref (tensor);

  /* Near the limit nothing is kept. */
  g_assert_cmpuint (device->cached_bytes, >, 0);
  reformer_device_set_memory_limit (device, before + (5 << 20));
  tensor = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) (5 << 18) - 500);
  assert_run (&run);
  g_assert_cmpuint (device->cached_bytes, ==, 0);
  g_object_unref (tensor);
  reformer_device_set_memory_limit (device, 0);
}

/* The same tensors in the same order. */
static void
some_work (ReformerDevice *on)
{
  ReformerRun run = REFORMER_RUN_INIT (on, NULL);
  g_autoptr (ReformerTensor) kept = reformer_run_new (&run, REFORMER_DTYPE_FLOAT16, 2, (gint64) 33, (gint64) 777);
  gint32 order[40];

  test_fill_int (order, 40, 5000, 11);
  for (guint i = 0; i < 40; i++)
    {
      g_autoptr (ReformerTensor) x = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 1, (gint64) order[i] + 1);
      g_autoptr (ReformerTensor) y = NULL;

      reformer_run_part (&run, i % 2 == 0 ? "even" : "odd");
      y = reformer_run_new (&run, REFORMER_DTYPE_UINT8, 1, (gint64) order[39 - i] + 1);
      reformer_run_fill (&run, reformer_span (x), 0, order[i] + 1);
      reformer_run_fill (&run, reformer_span (y), 0, order[39 - i] + 1);
      if (i == 20)
        add (&run, x, 1);
    }
  assert_run (&run);
}

static void
test_planner (void)
{
  g_autoptr (ReformerDevice) planner = reformer_device_new_planner (device);
  g_autoptr (ReformerDevice) plain = reformer_device_new_planner (NULL);
  const guint64 before = reformer_device_get_memory_used (device);
  g_autoptr (ReformerTensor) x = NULL;
  g_autoptr (ReformerTensor) big = NULL;
  g_autoptr (GError) error = NULL;
  ReformerRun run = REFORMER_RUN_INIT (planner, NULL);
  float values[4] = { 1, 2, 3, 4 };

  g_assert_true (reformer_device_is_planner (planner));
  g_assert_false (reformer_device_is_planner (device));
  g_assert_cmpint (reformer_device_is_wide (planner), ==, reformer_device_is_wide (device));
  g_assert_cmpuint (reformer_device_get_vector_width (planner), ==, reformer_device_get_vector_width (device));
  g_assert_cmpuint (reformer_device_get_max_group (planner), ==, reformer_device_get_max_group (device));

  reformer_device_reset_memory_peak (device);
  some_work (device);
  some_work (planner);
  some_work (plain);
  g_assert_cmpuint (reformer_device_get_memory_peak (device) - before, ==, reformer_device_get_memory_peak (planner));
  g_assert_cmpuint (reformer_device_get_memory_peak (device) - before, ==, reformer_device_get_memory_peak (plain));
  g_assert_cmpuint (reformer_device_get_memory_used (planner), ==, 0);

  /* Nothing is computed, and nothing is checked against the limit. */
  reformer_device_set_memory_limit (planner, 4096);
  big = reformer_run_new (&run, REFORMER_DTYPE_FLOAT32, 2, (gint64) 1 << 20, (gint64) 1 << 20);
  g_assert_nonnull (big);
  g_assert_cmpuint (reformer_device_get_memory_used (planner), ==, (guint64) 1 << 42);
  reformer_run_read (&run, reformer_at (big, 7), values, 4);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpfloat (values[i], ==, 0.0f);
  reformer_run_write (&run, reformer_at (big, 7), values, 4);
  reformer_run_copy (&run, reformer_at (big, 7), reformer_at (big, 70), 4);
  REFORMER_LAUNCH (&run, "no-family", NULL, "nothing", reformer_grid_tiles (1, 1, 1), REFORMER_SPAN (reformer_span (big)));
  g_assert_true (reformer_device_synchronize (planner, &error));
  assert_run (&run);
  g_assert_null (reformer_tensor_map (big, &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LIMIT);

  /* Tensors of one device are of no use on another. */
  x = test_tensor (device, NULL, 1, 4);
  reformer_run_fill (&run, reformer_span (x), 0, 4);
  g_assert_error (run.error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID);
  reformer_run_clear (&run);
}

/* ---- closing ---- */

static void
test_close (void)
{
  float values[3] = { 1, 2, 3 };
  g_autoptr (ReformerDevice) closed = g_object_ref (device);
  g_autoptr (ReformerTensor) x = test_tensor (device, values, 1, 3);
  g_autoptr (ReformerTensor) y = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new (values, sizeof values);
  g_autoptr (GError) error = NULL;
  g_autofree float *seen = NULL;
  const gint64 shape = 3;
  const float *address = NULL;
  ReformerRun run = REFORMER_RUN_INIT (closed, NULL);

  if (reformer_device_shares_memory (device))
    {
      address = reformer_tensor_map (x, &error);
      g_assert_no_error (error);
    }

  reopen ();
  g_assert_true (device != closed);
  g_assert_false (reformer_tensor_get_device (x) == device);

  if (address != NULL)
    g_assert_cmpmem (address, sizeof values, values, sizeof values);

  g_assert_null (reformer_tensor_to_bytes (x, &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LOST);
  assert_says (error, "was closed");
  assert_says (error, reformer_device_get_name (closed));
  g_clear_error (&error);
  g_assert_null (reformer_tensor_map (x, &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LOST);
  g_clear_error (&error);
  g_assert_false (reformer_tensor_upload (x, bytes, &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LOST);
  g_clear_error (&error);
  g_assert_null (reformer_tensor_new (closed, REFORMER_DTYPE_FLOAT32, &shape, 1, &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LOST);
  g_clear_error (&error);
  g_assert_false (reformer_device_synchronize (closed, &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LOST);
  add (&run, x, 3);
  g_assert_error (run.error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_LOST);
  reformer_run_clear (&run);
  reformer_device_close (closed);

  /* The new one works. */
  y = test_tensor (device, values, 1, 3);
  seen = test_floats (y);
  assert_same_bits ("after closing", seen, values, 3);

  /* The last reference to a closed device may be a tensor's. */
  g_clear_object (&closed);
  g_assert_nonnull (reformer_device_get_name (reformer_tensor_get_device (x)));
}

/* ---- the cache of programs ---- */

static char *
only_file (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name = dir != NULL ? g_dir_read_name (dir) : NULL;
  char *path = name != NULL ? g_build_filename (folder, name, NULL) : NULL;

  if (path != NULL)
    g_assert_null (g_dir_read_name (dir));
  return path;
}

/* Computes on a device opened anew; what was built and what was loaded must be as many as these. */
static void
expect_programs (guint n_built,
                 guint n_loaded)
{
  ReformerRun run = { 0 };
  g_autoptr (ReformerTensor) x = NULL;
  g_autofree float *seen = NULL;

  reopen ();
  run.device = device;
  x = test_tensor (device, NULL, 1, 5);
  add (&run, x, 5);
  assert_run (&run);
  seen = test_floats (x);
  g_assert_cmpfloat (seen[4], ==, 1.0f);
  g_assert_cmpuint (device->n_built, ==, n_built);
  g_assert_cmpuint (device->n_loaded, ==, n_loaded);
}

static void
sign (char  *contents,
      gsize  length)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize size = 32;

  g_checksum_update (checksum, (const guchar *) contents + 56, length - 56);
  g_checksum_get_digest (checksum, (guint8 *) contents + 24, &size);
}

static void
test_cache (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("reformer-test-XXXXXX", &error);
  g_autofree char *inside = g_build_filename (folder, "new", "place", NULL);
  g_autofree char *parent = g_path_get_dirname (inside);
  g_autofree char *old = g_strdup (g_getenv ("REFORMER_CACHE"));
  g_autofree char *file = NULL;
  g_autofree char *contents = NULL;
  g_autofree char *broken = NULL;
  g_autofree char *repaired = NULL;
  gsize length, length_repaired;

  g_assert_no_error (error);
  g_setenv ("REFORMER_CACHE", "off", TRUE);
  expect_programs (1, 0);
  expect_programs (1, 0);

  g_setenv ("REFORMER_CACHE", inside, TRUE);
  expect_programs (1, 0);
  file = only_file (inside);
  if (file == NULL)
    {
      g_test_skip ("the driver gives no binaries");
      goto end;
    }
  expect_programs (0, 1);

  /* Damaged in every way, it is deleted and written again. */
  g_file_get_contents (file, &contents, &length, &error);
  g_assert_no_error (error);
  broken = g_memdup2 (contents, length);
  for (guint kind = 0; kind < 6; kind++)
    {
      gsize new_length = length;

      /* rusticl ends the process at the last one, which no accident makes: the checksum is right. */
      if (kind == 5 && strstr (reformer_device_get_platform (device), "rusticl") != NULL)
        continue;

      memcpy (broken, contents, length);
      switch (kind)
        {
        case 0: /* a bit of the binary */
          broken[length / 2] ^= 1;
          break;
        case 1: /* another version */
          broken[8]++;
          break;
        case 2: /* cut short */
          new_length = length - 1;
          break;
        case 3: /* empty */
          new_length = 0;
          break;
        case 4: /* only a header */
          new_length = 56;
          break;
        default: /* whole, but nothing that a driver knows */
          memset (broken + 56, 'x', length - 56);
          sign (broken, length);
          break;
        }
      g_file_set_contents (file, broken, new_length, &error);
      g_assert_no_error (error);
      expect_programs (1, 0);
      g_clear_pointer (&repaired, g_free);
      g_file_get_contents (file, &repaired, &length_repaired, &error);
      g_assert_no_error (error);
      g_assert_cmpmem (repaired, 8, contents, 8);
      expect_programs (0, 1);
    }

  /* Other options are another program. */
  g_setenv ("REFORMER_BUILD_OPTIONS", "-DSOMETHING=1", TRUE);
  expect_programs (1, 0);
  g_unsetenv ("REFORMER_BUILD_OPTIONS");

  /* A folder that cannot be written to is no error. */
  g_setenv ("REFORMER_CACHE", "/proc/none", TRUE);
  expect_programs (1, 0);

end:
  if (old != NULL)
    g_setenv ("REFORMER_CACHE", old, TRUE);
  else
    g_unsetenv ("REFORMER_CACHE");
  reopen ();

  {
    g_autoptr (GDir) dir = g_dir_open (inside, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
      {
        g_autofree char *path = g_build_filename (inside, name, NULL);

        g_unlink (path);
      }
  }
  g_rmdir (inside);
  g_rmdir (parent);
  g_rmdir (folder);
}

/* ---- in processes of their own ---- */

/* Runs this program with one argument; gives its exit status, and what it printed. */
static int
run_child (const char  *argument,
           const char  *variable,
           const char  *value,
           char       **out,
           char       **err)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GSubprocess) child = NULL;
  g_autoptr (GError) error = NULL;

  if (variable != NULL)
    g_subprocess_launcher_setenv (launcher, variable, value, TRUE);
  child = g_subprocess_launcher_spawn (launcher, &error, program_path, argument, NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (child, NULL, NULL, out, err, &error);
  g_assert_no_error (error);
  if (!g_subprocess_get_if_exited (child))
    g_error ("%s ended by signal %d: %s%s", argument, g_subprocess_get_term_sig (child), *out, *err);
  return g_subprocess_get_exit_status (child);
}

static int
child_no_device (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ReformerDeviceList) list = reformer_device_list_new ();
  ReformerDevice *none = reformer_device_get_default (&error);

  g_assert_null (none);
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (list)), ==, 0);
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_NOT_FOUND);
  assert_says (error, "pocl-opencl-icd (any CPU), intel-opencl-icd, mesa-opencl-icd, nvidia-opencl-icd");
  g_print ("%s\n", error->message);
  return 0;
}

static void
test_no_device (void)
{
  g_autofree char *out = NULL, *err = NULL;

  g_assert_cmpint (run_child ("--no-device", "OCL_ICD_VENDORS", "/nonexistent", &out, &err), ==, 0);
  g_test_message ("%s", g_strchomp (out));
}

static int
child_profile (gboolean profiling)
{
  ReformerRun run = { 0 };
  g_autoptr (ReformerTensor) x = NULL;
  g_autoptr (GVariant) profile = NULL;
  guint64 count = 0, nanoseconds = 0;
  double flops = -1, bytes = -1;

  device = test_new_device ();
  reformer_device_set_profiling (device, profiling);
  reformer_program_add_source (device, "test-device", source);
  run.device = device;
  x = test_tensor (device, NULL, 1, 10000);
  for (guint i = 0; i < 700; i++)
    add (&run, x, i % 10 + 1);
  reformer_run_fill (&run, reformer_span (x), 0, 10);
  assert_run (&run);
  profile = reformer_device_dup_profile (device);
  g_assert_true (g_variant_lookup (profile, "add", "(ttdd)", &count, &nanoseconds, &flops, &bytes));
  g_assert_cmpuint (count, ==, 700);
  g_assert_true (g_variant_lookup (profile, "fill", "(ttdd)", &count, &nanoseconds, &flops, &bytes));
  g_assert_true (count == 1 && flops == 0 && bytes == 40);
  g_clear_object (&x);
  g_object_unref (device);
  return 0;
}

static void
test_profile (void)
{
  g_autofree char *out = NULL, *err = NULL;
  g_autoptr (GVariant) profile = reformer_device_dup_profile (device);

  if (g_getenv ("REFORMER_DEBUG") == NULL)
    g_assert_cmpuint (g_variant_n_children (profile), ==, 0);
  g_assert_true (g_variant_is_of_type (profile, G_VARIANT_TYPE_VARDICT));

  if (test_device_slow (device))
    {
      g_test_skip ("a slow device");
      return;
    }
  if (run_child ("--profile", "REFORMER_DEBUG", "profile", &out, &err) != 0)
    g_error ("%s%s", out, err);
  if (strstr (err, "launches") == NULL || strstr (err, "\nadd ") == NULL)
    g_error ("no table in: %s", err);
  g_clear_pointer (&out, g_free);
  g_clear_pointer (&err, g_free);
  if (run_child ("--profiling", "REFORMER_DEBUG", "", &out, &err) != 0 || strstr (err, "launches") != NULL)
    g_error ("%s%s", out, err);
}

static int
child_no_space (void)
{
  char folder[] = "/tmp/reformer-test-XXXXXX";
  g_autofree char *inside = NULL;
  ReformerRun run = { 0 };
  g_autoptr (ReformerTensor) x = NULL;
  int status = 1;

  /* A file system of our own, which ends with this process. */
  if (unshare (geteuid () == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0 ||
      mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || g_mkdtemp (folder) == NULL)
    {
      g_print ("%s", g_strerror (errno));
      return 77;
    }
  if (mount ("tmpfs", folder, "tmpfs", 0, "size=1m") != 0)
    {
      g_print ("%s", g_strerror (errno));
      g_rmdir (folder);
      return 77;
    }

  inside = g_build_filename (folder, "pocl", NULL);
  g_setenv ("POCL_CACHE_DIR", inside, TRUE);
  g_setenv ("XDG_CACHE_HOME", folder, TRUE);
  g_unsetenv ("REFORMER_CACHE");

  device = test_new_device ();
  reformer_program_add_source (device, "test-device", source);
  run.device = device;
  x = test_tensor (device, NULL, 1, 3);
  add (&run, x, 3);
  if (run.error != NULL)
    {
      g_print ("%s", run.error->message);
      status = g_error_matches (run.error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_NO_SPACE) ? 0 : 1;
    }
  reformer_run_clear (&run);
  umount2 (folder, MNT_DETACH);
  g_rmdir (folder);
  return status;
}

static void
test_no_space (void)
{
  g_autofree char *out = NULL, *err = NULL;
  int status;

  if (strstr (reformer_device_get_platform (device), "Portable Computing Language") == NULL)
    {
      g_test_skip ("only PoCL ends the process when its cache is full");
      return;
    }

  status = run_child ("--no-space", NULL, NULL, &out, &err);
  if (status == 77)
    {
      g_autofree char *reason = g_strdup_printf ("no small file system can be mounted here: %s", out);

      g_test_skip (reason);
      return;
    }
  if (status != 0)
    g_error ("%s%s", out, err);
  g_test_message ("%s", out);
  g_assert_nonnull (strstr (out, "are free for built kernels in"));
}

int
main (int    argc,
      char **argv)
{
  int status;

  if (argc == 2 && g_str_equal (argv[1], "--no-device"))
    return child_no_device ();
  if (argc == 2 && g_str_equal (argv[1], "--profile"))
    return child_profile (FALSE);
  if (argc == 2 && g_str_equal (argv[1], "--profiling"))
    return child_profile (TRUE);
  if (argc == 2 && g_str_equal (argv[1], "--no-space"))
    return child_no_space ();

  program_path = argv[0];
  g_test_init (&argc, &argv, NULL);
  device = test_new_device ();
  reformer_program_add_source (device, "test-device", source);

  g_test_add_func ("/device/list", test_list);
  g_test_add_func ("/device/find", test_find);
  g_test_add_func ("/device/properties", test_properties);
  g_test_add_func ("/device/choices", test_choices);
  g_test_add_func ("/device/no-device-object", test_no_device_object);
  g_test_add_func ("/device/many-launches", test_many_launches);
  g_test_add_func ("/device/launch-errors", test_launch_errors);
  g_test_add_func ("/device/cancelled", test_cancelled);
  g_test_add_func ("/device/build-failure", test_build_failure);
  g_test_add_func ("/device/threads", test_threads);
  g_test_add_func ("/device/limit", test_limit);
  g_test_add_func ("/device/peak", test_peak);
  g_test_add_func ("/device/pool", test_pool);
  g_test_add_func ("/device/planner", test_planner);
  g_test_add_func ("/device/close", test_close);
  g_test_add_func ("/device/cache", test_cache);
  g_test_add_func ("/device/no-device", test_no_device);
  g_test_add_func ("/device/profile", test_profile);
  g_test_add_func ("/device/no-space", test_no_space);

  status = test_run ();
  g_object_unref (device);
  return status;
}
