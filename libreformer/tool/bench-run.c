/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-private.h"
#include "progress.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Weights are random: time does not depend on what a model has learnt. */

#define PEAK_SIZE 2048
#define PEAK_REPEATS 5

static double
now (void)
{
  return (double) g_get_monotonic_time () / G_USEC_PER_SEC;
}

/* ---- Plans ---- */

gint64
bench_prompt_length (Bench  *self,
                     gint64  length)
{
  return length - self->repeats - self->warm_up;
}

/* Positions for just the length, which is also what the number of buckets follows. */
static ReformerConfig *
make_config (Bench   *self,
             gint64   length,
             GError **error)
{
  g_autoptr (ReformerConfig) config = reformer_config_copy (self->config);

  if (reformer_config_get_axial_pos_embds (config))
    {
      gsize n = 0;
      g_autofree int *old = reformer_config_get_axial_pos_shape (config, &n), *shape = NULL;

      shape = reformer_config_choose_axial_shape (config, length, n > 0 ? (guint) n : 2, &n, error);
      if (shape == NULL)
        return NULL;
    }
  reformer_config_set_max_position_embeddings (config, (int) length);
  return reformer_config_validate (config, error) ? g_steal_pointer (&config) : NULL;
}

static guint64
most_bytes (Bench *self)
{
  const guint64 memory = reformer_device_get_memory (self->device);

  return self->limit > 0 ? MIN (self->limit, memory) : memory;
}

/* On a device that counts, with the limit of the real one. */
static ReformerModel *
new_planned_model (Bench      *self,
                   BenchPoint *point)
{
  g_autoptr (ReformerDevice) planner = reformer_device_new_planner (self->device);
  ReformerModel *model = reformer_model_new (planner, point->config);

  reformer_model_set_training (model, point->mode == BENCH_TRAIN);
  reformer_stack_set_keep (reformer_model_get_stack (model), self->keep);
  return model;
}

/* Feeds tokens without waiting for an answer. */
static gboolean
feed (ReformerSession  *session,
      ReformerDevice   *device,
      gint64            rows,
      gint64            length,
      GError          **error)
{
  const gint64 shape[2] = { rows, length };
  g_autoptr (ReformerTensor) tokens = reformer_tensor_new (device, REFORMER_DTYPE_INT32, shape, 2, error);
  g_autoptr (ReformerTensor) logits = tokens != NULL ? reformer_session_feed (session, tokens, NULL, error) : NULL;

  return logits != NULL;
}

/* A session on the device that counts: the text before, and the tokens that are timed. 0: it does not fit; -1: an error that is more than that. */
static int
plan_session (Bench       *self,
              BenchPoint  *point,
              gint64       length,
              guint64     *bytes,
              GError     **error)
{
  g_autoptr (ReformerModel) model = new_planned_model (self, point);
  g_autoptr (ReformerSession) session = reformer_session_new (model);
  ReformerDevice *planner = reformer_model_get_device (model);
  const gint64 prompt = bench_prompt_length (self, length);
  g_autoptr (GError) local = NULL;
  gboolean fed = feed (session, planner, self->rows, prompt, &local);

  for (gint64 i = prompt; i < length && fed; i++)
    fed = feed (session, planner, self->rows, 1, &local);
  *bytes = reformer_device_get_memory_peak (planner);
  if (local == NULL)
    return *bytes <= most_bytes (self);
  if (g_error_matches (local, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY))
    return 0;
  g_propagate_error (error, g_steal_pointer (&local));
  return -1;
}

/* 0: none fits. */
static gint64
find_longest_session (Bench       *self,
                      BenchPoint  *point,
                      GError     **error)
{
  const gint64 timed = point->length - bench_prompt_length (self, point->length);
  gint64 low = timed, high = point->length;
  guint64 bytes;

  while (high - low > 1)
    {
      const gint64 middle = low + (high - low) / 2;
      const int fits = plan_session (self, point, middle, &bytes, error);

      if (fits < 0)
        return -1;
      if (fits)
        low = middle;
      else
        high = middle;
    }
  return low > timed ? low : 0;
}

/* Sets what does not fit as an error. */
static gboolean
refuse (Bench       *self,
        BenchPoint  *point,
        gint64       longest,
        GError     **error)
{
  g_autofree char *need = tool_format_bytes (point->planned), *limit = tool_format_bytes (most_bytes (self));
  g_autofree char *most = longest > 0 ? g_strdup_printf ("the longest that fits is %" G_GINT64_FORMAT " tokens", longest) : g_strdup ("no length fits");

  if (longest < 0)
    return FALSE;
  g_set_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_OUT_OF_MEMORY,
               "bench: %s with %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " tokens needs %s, the %s is %s; %s", bench_mode_name (point->mode), self->rows,
               point->length, need, self->limit > 0 ? "limit" : "device's memory", limit, most);
  return FALSE;
}

/* What the last token adds to what those before it need. */
static double
count_last_token (ReformerConfig *config,
                  gint64          length)
{
  /* the first token of the second chunk brings another rule for all tokens, not work of its own: the next one stands for it */
  while (length - 1 == reformer_config_get_lsh_attn_chunk_length (config) || length - 1 == reformer_config_get_local_attn_chunk_length (config))
    length++;
  return reformer_config_count_operations (config, length, FALSE, REFORMER_KEEP_AUTO) - reformer_config_count_operations (config, length - 1, FALSE, REFORMER_KEEP_AUTO);
}

static gboolean
plan_generate (Bench       *self,
               BenchPoint  *point,
               GError     **error)
{
  const int fits = plan_session (self, point, point->length, &point->planned, error);

  point->flops = (double) self->rows * count_last_token (point->config, point->length);
  return fits == 0 ? refuse (self, point, find_longest_session (self, point, error), error) : fits > 0;
}

/* A forward pass, or a step as a trainer makes it. */
static gboolean
plan_pass (Bench       *self,
           BenchPoint  *point,
           GError     **error)
{
  const gboolean training = point->mode == BENCH_TRAIN;
  g_autoptr (ReformerModel) model = new_planned_model (self, point);
  g_autoptr (ReformerTrainer) trainer = NULL;
  g_autoptr (ReformerMemoryPlan) plan = NULL;

  if (training)
    {
      g_autoptr (ReformerOptimizer) optimizer = reformer_adamw_new ();

      trainer = g_object_new (REFORMER_TYPE_TRAINER, "model", model, "optimizer", optimizer, NULL);
      reformer_trainer_set_batch_size (trainer, (int) self->rows); /* what is out of range is an error of the plan */
      reformer_trainer_set_sequence_length (trainer, (int) point->length);
    }
  plan = training ? reformer_trainer_estimate_memory (trainer, error) : reformer_model_estimate_memory (model, (int) self->rows, point->length, FALSE, error);
  if (plan == NULL)
    return FALSE;
  point->keep = reformer_memory_plan_get_keep (plan);
  point->planned = reformer_memory_plan_get_total (plan);
  point->flops = (double) self->rows * reformer_config_count_operations (point->config, point->length, training, point->keep);
  if (reformer_memory_plan_get_fits (plan))
    return TRUE;
  return refuse (self, point,
                 training ? reformer_trainer_find_max_length (trainer, error) : reformer_model_find_max_length (model, (int) self->rows, FALSE, error), error);
}

gboolean
bench_plan (Bench       *self,
            BenchPoint  *point,
            GError     **error)
{
  point->config = make_config (self, point->length, error);
  if (point->config == NULL)
    return FALSE;
  return point->mode == BENCH_GENERATE ? plan_generate (self, point, error) : plan_pass (self, point, error);
}

/* ---- Memory of the process ---- */

/* Where the system does not do it, the peak is that of all points so far. */
static void
reset_process_peak (void)
{
  const int fd = open ("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  gssize n;

  if (fd < 0)
    return;
  n = write (fd, "5", 1);
  (void) n;
  close (fd);
}

static guint64
get_process_peak (void)
{
  g_autofree char *status = NULL;
  struct rusage usage;
  const char *line;

  if (g_file_get_contents ("/proc/self/status", &status, NULL, NULL) && (line = strstr (status, "\nVmHWM:")) != NULL)
    return g_ascii_strtoull (line + strlen ("\nVmHWM:"), NULL, 10) * 1024;
  return getrusage (RUSAGE_SELF, &usage) == 0 ? (guint64) usage.ru_maxrss * 1024 : 0;
}

/* ---- Passes ---- */

typedef struct
{
  Bench             *bench;
  BenchPoint        *point;
  ReformerModel     *model;
  ReformerOptimizer *optimizer;
  ReformerSession   *session;
  ReformerTensor    *tokens;  /* all; or the next one */
  guint              step;
} Pass;

static void
pass_clear (Pass *self)
{
  g_clear_object (&self->session);
  g_clear_object (&self->tokens);
  g_clear_object (&self->optimizer);
  g_clear_object (&self->model);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Pass, pass_clear)

static ReformerTensor *
new_tokens (Pass    *self,
            gint64   length,
            GError **error)
{
  const gint64 shape[2] = { self->bench->rows, length };
  const gsize n = (gsize) shape[0] * (gsize) shape[1];
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  gint32 *ids = g_new (gint32, n);
  g_autoptr (GBytes) bytes = NULL;

  for (gsize i = 0; i < n; i++)
    ids[i] = g_rand_int_range (rand, 0, reformer_config_get_vocab_size (self->point->config));
  bytes = g_bytes_new_take (ids, n * sizeof *ids);
  return reformer_tensor_new_from_bytes (self->bench->device, REFORMER_DTYPE_INT32, shape, 2, bytes, error);
}

static gboolean
update_weights (Pass    *self,
                GError **error)
{
  g_autoptr (GListModel) parameters = reformer_model_get_parameters (self->model);
  const guint n = g_list_model_get_n_items (parameters);

  self->step++;
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (ReformerParameter) parameter = g_list_model_get_item (parameters, i);

      if (!reformer_optimizer_update (self->optimizer, parameter, self->step, 1e-4, 1, error))
        return FALSE;
    }
  return TRUE;
}

/* One of what is timed, until the device is done. */
static gboolean
run_pass (Pass    *self,
          GError **error)
{
  g_autoptr (ReformerTensor) output = NULL;
  GError *local = NULL;

  if (self->point->mode == BENCH_FORWARD)
    output = reformer_model_forward (self->model, self->tokens, NULL, &local);
  else if (self->point->mode == BENCH_GENERATE)
    output = reformer_session_feed (self->session, self->tokens, NULL, &local);
  else
    {
      reformer_model_compute_gradients (self->model, self->tokens, NULL, self->tokens, &local);
      if (local == NULL)
        update_weights (self, &local);
    }
  if (local == NULL)
    reformer_device_synchronize (self->bench->device, &local);
  if (local != NULL)
    g_propagate_error (error, local);
  return local == NULL;
}

/* Model, tokens and what else the mode needs. */
static gboolean
prepare (Pass    *self,
         GError **error)
{
  const BenchPoint *point = self->point;

  self->model = reformer_model_new (self->bench->device, point->config);
  reformer_model_set_training (self->model, point->mode == BENCH_TRAIN);
  if (!reformer_model_prepare (self->model, error))
    return FALSE;
  if (point->mode == BENCH_GENERATE)
    {
      g_autoptr (ReformerTensor) prompt = new_tokens (self, bench_prompt_length (self->bench, point->length), error);
      g_autoptr (ReformerTensor) logits = NULL;
      const double start = now ();

      self->session = reformer_session_new (self->model);
      if (prompt == NULL || (logits = reformer_session_feed (self->session, prompt, NULL, error)) == NULL ||
          !reformer_device_synchronize (self->bench->device, error))
        return FALSE;
      self->point->prompt = now () - start;
      self->tokens = new_tokens (self, 1, error);
      return self->tokens != NULL;
    }
  if (point->mode == BENCH_TRAIN)
    {
      reformer_stack_set_keep (reformer_model_get_stack (self->model), point->keep);
      self->optimizer = reformer_adamw_new ();
    }
  self->tokens = new_tokens (self, point->length, error);
  return self->tokens != NULL;
}

/* What `after` has more than `before`; (ttdd) a kernel. */
static GVariant *
subtract_profile (GVariant *after,
                  GVariant *before)
{
  GVariantDict dict;
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_dict_init (&dict, NULL);
  g_variant_iter_init (&iter, after);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      guint64 count, time, old_count = 0, old_time = 0;
      double flops, bytes, old_flops = 0, old_bytes = 0;

      g_variant_get (value, "(ttdd)", &count, &time, &flops, &bytes);
      g_variant_lookup (before, name, "(ttdd)", &old_count, &old_time, &old_flops, &old_bytes);
      if (count > old_count)
        g_variant_dict_insert (&dict, name, "(ttdd)", count - old_count, time - old_time, flops - old_flops, bytes - old_bytes);
    }
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static void
show (Bench      *self,
      BenchPoint *point,
      guint       number,
      gint64      pass)
{
  g_autofree char *tokens = tool_format_count ((double) point->length), *text = NULL;
  const double passes = (double) (self->warm_up + self->repeats);

  if (!tool_progress_is_due ())
    return;
  text = g_strdup_printf ("%s, %s tokens: %" G_GINT64_FORMAT " of %.0f", bench_mode_name (point->mode), tokens, pass + 1, passes);
  tool_progress_show ((number + pass / passes) / self->points->len, text);
}

gboolean
bench_measure (Bench       *self,
               BenchPoint  *point,
               guint        number,
               GError     **error)
{
  g_auto (Pass) pass = { .bench = self, .point = point };
  g_autoptr (GVariant) before = NULL;

  show (self, point, number, 0);
  reformer_device_reset_memory_peak (self->device);
  reset_process_peak ();
  if (!prepare (&pass, error))
    return FALSE;
  for (gint64 i = 0; i < self->warm_up + self->repeats; i++)
    {
      double start, seconds;

      show (self, point, number, i);
      if (i == self->warm_up && self->profile)
        before = reformer_device_dup_profile (self->device);
      start = now ();
      if (!run_pass (&pass, error))
        return FALSE;
      seconds = now () - start;
      if (i >= self->warm_up)
        g_array_append_val (point->seconds, seconds);
    }
  if (self->profile)
    {
      g_autoptr (GVariant) after = reformer_device_dup_profile (self->device);

      point->profile = subtract_profile (after, before);
    }
  point->account = reformer_device_get_memory_peak (self->device);
  point->process = get_process_peak ();
  return TRUE;
}

/* ---- The device's own peak ---- */

double
bench_peak (Bench   *self,
            GError **error)
{
  const gint64 shape[3] = { 1, PEAK_SIZE, PEAK_SIZE };
  const gsize n = (gsize) PEAK_SIZE * PEAK_SIZE;
  g_autoptr (ReformerLinear) linear = reformer_linear_new (self->device, PEAK_SIZE, PEAK_SIZE, FALSE);
  g_autoptr (ReformerTape) tape = reformer_tape_new (self->device); /* one for all: the weights are packed once */
  g_autoptr (ReformerTensor) x = NULL;
  g_autoptr (GBytes) bytes = NULL;
  float *values = g_new (float, n);
  double best = G_MAXDOUBLE;

  tool_progress_announce ("the device's own product");
  for (gsize i = 0; i < n; i++)
    values[i] = (float) (i % 1000) / 1000;
  bytes = g_bytes_new_take (values, n * sizeof *values);
  x = reformer_tensor_new_from_bytes (self->device, REFORMER_DTYPE_FLOAT32, shape, 3, bytes, error);
  if (x == NULL)
    return -1;
  for (int i = 0; i < 1 + PEAK_REPEATS; i++)
    {
      const double start = now ();
      g_autoptr (ReformerTensor) y = reformer_layer_forward (REFORMER_LAYER (linear), x, tape, error);
      double seconds;

      if (y == NULL || !reformer_device_synchronize (self->device, error))
        return -1;
      seconds = now () - start;
      if (i > 0)
        best = MIN (best, seconds);
    }
  return 2.0 * PEAK_SIZE * PEAK_SIZE * PEAK_SIZE / best;
}
