/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "optimizers.h"
#include "tokens.h"

#include "ops/elementwise.h"
#include "training/optimizer-private.h"

#include <libreformer/training/reformer-adafactor.h>
#include <libreformer/training/reformer-adamw.h>
#include <libreformer/training/reformer-sgd.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static ReformerDevice *device;

static const TestShape shapes[] = { { 1, { 1 } }, { 1, { 3 } }, { 1, { 17 } }, { 2, { 33, 5 } }, { 3, { 2, 3, 19 } }, { 0, { 0 } }, { 2, { 1, 40 } }, { 2, { 40, 1 } } };
/* More than a tile, a block, an item of any kernel, and no multiple of one. */
static const TestShape large_shapes[] = { { 2, { 131, 777 } }, { 1, { 40003 } }, { 3, { 3, 67, 259 } } };

/* Gradients of a step: of different sizes from place to place, and a few zeros. */
static void
fill_gradient (float *values,
               gsize  n,
               guint  step)
{
  test_fill (values, n, 1000 + step);
  for (gsize i = 0; i < n; i++)
    values[i] *= i % 7 == 3 ? 0.0f : i % 3 == 0 ? 0.01f : 1.0f;
}

/* ---- The optimizers in double precision ---- */

typedef struct
{
  const char *name;
  GType     (*type) (void);
  double      learning_rate;
  double      scale;
  double      a, b; /* beta1 and beta2, momentum, or decay and threshold */
  double      epsilon;
  double      weight_decay;
  gboolean    relative;
} Case;

static const Case cases[] = {
  { "AdamW", reformer_adamw_get_type, 0.01, 1.0, 0.9, 0.999, 1e-8, 0.01, FALSE },
  { "AdamW, clipped", reformer_adamw_get_type, 0.003, 0.125, 0.8, 0.95, 1e-4, 0.3, FALSE },
  { "Adam", reformer_adamw_get_type, 0.01, 1.0, 0.0, 0.99, 1e-8, 0.0, FALSE },
  { "SGD", reformer_sgd_get_type, 0.1, 1.0, 0.0, 0.0, 0.0, 0.0, FALSE },
  { "SGD with all", reformer_sgd_get_type, 0.05, 0.7, 0.9, 0.0, 0.0, 0.2, FALSE },
  { "Adafactor", reformer_adafactor_get_type, 0.01, 1.0, -0.8, 1.0, 0.0, 0.0, TRUE },
  { "Adafactor, absolute", reformer_adafactor_get_type, 0.003, 0.3, -0.5, 0.4, 0.0, 0.5, FALSE },
};

static ReformerOptimizer *
new_optimizer (const Case *c)
{
  if (c->type == reformer_adamw_get_type)
    return g_object_new (c->type (), "beta1", c->a, "beta2", c->b, "epsilon", c->epsilon, "weight-decay", c->weight_decay, NULL);
  if (c->type == reformer_sgd_get_type)
    return g_object_new (c->type (), "momentum", c->a, "weight-decay", c->weight_decay, NULL);
  return g_object_new (c->type (), "decay", c->a, "clipping-threshold", c->b, "weight-decay", c->weight_decay, "scale-parameter", c->relative, NULL);
}

/* A schedule changes it. */
static double
rate_of (const Case *c,
         guint       step)
{
  return c->learning_rate * (1.0 + 0.1 * step);
}

static double
mean_square (const double *x,
             gsize         n)
{
  double sum = 0.0;

  for (gsize i = 0; i < n; i++)
    sum += x[i] * x[i];
  return sum / (double) n;
}

static void
step_adafactor (const Case   *c,
                guint         step,
                const TestShape  *shape,
                double       *w,
                const double *g,
                double       *row,
                double       *column)
{
  const gsize n = test_count (shape), columns = shape->n_dims < 2 ? 1 : (gsize) shape->dims[shape->n_dims - 1], rows = n / columns;
  const double beta = 1.0 - pow (step, c->a);
  g_autofree double *u = g_new (double, n);
  double rate = rate_of (c, step), mean = 0.0, size;

  for (gsize r = 0; r < rows; r++)
    {
      double sum = 0.0;

      for (gsize k = 0; k < columns; k++)
        sum += g[r * columns + k] * g[r * columns + k] + 1e-30;
      row[r] = beta * row[r] + (1.0 - beta) * sum / (double) columns;
      mean += row[r] / (double) rows;
    }
  for (gsize k = 0; k < columns; k++)
    {
      double sum = 0.0;

      for (gsize r = 0; r < rows; r++)
        sum += g[r * columns + k] * g[r * columns + k] + 1e-30;
      column[k] = beta * column[k] + (1.0 - beta) * sum / (double) rows;
    }
  for (gsize i = 0; i < n; i++)
    u[i] = shape->n_dims < 2 ? g[i] / sqrt (row[i]) : g[i] / sqrt (row[i / columns] / mean) / sqrt (column[i % columns]);
  if (c->relative)
    rate *= fmax (1e-3, sqrt (mean_square (w, n)));
  size = fmax (1.0, sqrt (mean_square (u, n)) / c->b);
  for (gsize i = 0; i < n; i++)
    w[i] -= rate * c->weight_decay * w[i] + rate * u[i] / size;
}

/* state: as many numbers as the parameter has, twice; zeros at first. */
static void
step_reference (const Case   *c,
                guint         step,
                const TestShape  *shape,
                double       *w,
                const float  *gradient,
                double       *state[2])
{
  const gsize n = test_count (shape);
  const double rate = rate_of (c, step);
  g_autofree double *g = g_new (double, n);

  for (gsize i = 0; i < n; i++)
    g[i] = (double) gradient[i] * c->scale;
  if (c->type == reformer_adafactor_get_type)
    step_adafactor (c, step, shape, w, g, state[0], state[1]);
  for (gsize i = 0; i < n; i++)
    if (c->type == reformer_adamw_get_type)
      {
        w[i] *= 1.0 - rate * c->weight_decay;
        state[0][i] = c->a * state[0][i] + (1.0 - c->a) * g[i];
        state[1][i] = c->b * state[1][i] + (1.0 - c->b) * g[i] * g[i];
        w[i] -= rate * state[0][i] / (1.0 - pow (c->a, step)) / (sqrt (state[1][i] / (1.0 - pow (c->b, step))) + c->epsilon);
      }
    else if (c->type == reformer_sgd_get_type)
      {
        state[0][i] = c->a * state[0][i] + g[i] + c->weight_decay * w[i];
        w[i] -= rate * state[0][i];
      }
}

static void
make_step (const Case        *c,
           ReformerOptimizer *optimizer,
           ReformerParameter *parameter,
           guint              step)
{
  const gsize n = reformer_parameter_get_n_elements (parameter);
  g_autofree float *gradient = g_new (float, n);
  g_autoptr (GError) error = NULL;

  fill_gradient (gradient, n, step);
  test_set_gradient (parameter, gradient);
  reformer_optimizer_update (optimizer, parameter, step, rate_of (c, step), c->scale, &error);
  g_assert_no_error (error);
}

static void
check_case (const Case  *c,
            const TestShape *shape,
            guint        n_steps)
{
  const gsize n = test_count (shape);
  g_autoptr (ReformerOptimizer) optimizer = new_optimizer (c);
  g_autoptr (ReformerParameter) parameter = NULL;
  g_autofree float *values = g_new (float, n);
  g_autofree float *gradient = g_new (float, n);
  g_autofree float *got = NULL;
  g_autofree double *want = g_new (double, n);
  g_autofree double *first = g_new0 (double, n);
  g_autofree double *second = g_new0 (double, n);
  double *state[2] = { first, second };

  test_fill (values, n, 1);
  parameter = test_parameter (device, "one", shape, values);
  for (gsize i = 0; i < n; i++)
    want[i] = (double) values[i];
  for (guint step = 1; step <= n_steps; step++)
    {
      fill_gradient (gradient, n, step);
      step_reference (c, step, shape, want, gradient, state);
      make_step (c, optimizer, parameter, step);
    }
  got = test_floats (reformer_parameter_get_value (parameter));
  assert_close (c->name, got, want, n, 3e-6);
}

static void
test_steps (gconstpointer data)
{
  const Case *c = data;
  const gboolean slow = test_device_slow (device);

  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    check_case (c, &shapes[i], slow ? 3 : 12);
  for (gsize i = 0; i < G_N_ELEMENTS (large_shapes) && !slow; i++)
    check_case (c, &large_shapes[i], 10);
}

/* What PyTorch 2.13 and transformers 5.23 give after three steps on w, with these gradients:
 *
 *   w = ((torch.arange(n) * 7) % 11) / 11 - 0.4, step t from 0: w.grad = (((torch.arange(n) * 5 + 3 * t) % 13) / 13 - 0.3) * 0.5
 *   torch.optim.AdamW([w], lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1), torch.optim.SGD([w], lr=0.1, momentum=0.9, weight_decay=0.01),
 *   Adafactor([w], lr=0.05, relative_step=False, scale_parameter=True, warmup_init=False, weight_decay=0.1),
 *   Adafactor([w], lr=0.05, relative_step=False, scale_parameter=False, warmup_init=False, clip_threshold=0.5, decay_rate=-0.5)
 */
typedef struct
{
  Case   c;
  TestShape  shape;
  double want[15];
} Known;

static const Known known[] = {
  { { "torch AdamW", reformer_adamw_get_type, 0.01, 1.0, 0.8, 0.95, 1e-6, 0.1, FALSE }, { 2, { 3, 5 } },
    { -0.37906912, 0.207227975, -0.13782452, 0.513400137, 0.122604653, -0.236005798, 0.39021641, 0.0287274644, -0.294310689, 0.297110409, -0.0513054617, -0.401242256,
      0.211376816, -0.10715922, 0.479137897 } },
  { { "torch SGD", reformer_sgd_get_type, 0.1, 1.0, 0.9, 0.0, 0.0, 0.01, FALSE }, { 2, { 3, 5 } },
    { -0.358668387, 0.166335985, -0.158104435, 0.502210021, 0.0828195438, -0.29162088, 0.368693501, -0.0506969094, -0.289827317, 0.23517707, -0.0892633721, -0.423343778,
      0.151660591, -0.0874697864, 0.437534541 } },
  { { "transformers Adafactor", reformer_adafactor_get_type, 0.05, 1.0, -0.8, 1.0, 0.0, 0.1, TRUE }, { 2, { 3, 5 } },
    { -0.393802732, 0.160229072, -0.132955909, 0.48431623, 0.108200952, -0.232004106, 0.379807234, 0.0276428908, -0.310618579, 0.276985794, -0.0430164114, -0.411619812,
      0.213988125, -0.112238117, 0.464904577 } },
  { { "transformers Adafactor, vector", reformer_adafactor_get_type, 0.05, 1.0, -0.8, 1.0, 0.0, 0.1, TRUE }, { 1, { 6 } },
    { -0.390550375, 0.180144519, -0.126430526, 0.489673674, 0.123635381, -0.230956331 } },
  { { "transformers Adafactor, absolute", reformer_adafactor_get_type, 0.05, 1.0, -0.5, 0.5, 0.0, 0.0, FALSE }, { 2, { 3, 5 } },
    { -0.397907585, 0.11658299, -0.135620028, 0.466308385, 0.0864821821, -0.242827386, 0.359917611, 0.0118676685, -0.316102177, 0.247283682, -0.043790102, -0.421176016,
      0.203802407, -0.102579333, 0.440134257 } },
  { { "transformers Adafactor, absolute, vector", reformer_adafactor_get_type, 0.05, 1.0, -0.5, 0.5, 0.0, 0.0, FALSE }, { 1, { 6 } },
    { -0.389931917, 0.143399864, -0.119564906, 0.475804597, 0.11051935, -0.240805194 } },
};

static void
test_known (void)
{
  for (gsize k = 0; k < G_N_ELEMENTS (known); k++)
    {
      const gsize n = test_count (&known[k].shape);
      g_autoptr (ReformerOptimizer) optimizer = new_optimizer (&known[k].c);
      g_autoptr (ReformerParameter) parameter = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree float *got = NULL;
      float values[15];

      for (gsize i = 0; i < n; i++)
        values[i] = (float) (i * 7 % 11) / 11.0f - 0.4f;
      parameter = test_parameter (device, "known", &known[k].shape, values);
      for (guint t = 0; t < 3; t++)
        {
          for (gsize i = 0; i < n; i++)
            values[i] = ((float) ((i * 5 + 3 * t) % 13) / 13.0f - 0.3f) * 0.5f;
          test_set_gradient (parameter, values);
          reformer_optimizer_update (optimizer, parameter, t + 1, known[k].c.learning_rate, 1.0, &error);
          g_assert_no_error (error);
        }
      got = test_floats (reformer_parameter_get_value (parameter));
      assert_near (known[k].c.name, got, known[k].want, n, 2e-7);
    }
}

/* Gradients and values of zero, for which the roots are of nothing: steps stay finite. */
static void
test_zeros (void)
{
  for (gsize k = 0; k < G_N_ELEMENTS (cases); k++)
    for (gsize s = 0; s < G_N_ELEMENTS (shapes); s++)
      {
        const gsize n = test_count (&shapes[s]);
        g_autofree float *zeros = g_new0 (float, n);
        g_autofree float *got = NULL;
        g_autoptr (ReformerOptimizer) optimizer = new_optimizer (&cases[k]);
        g_autoptr (ReformerParameter) parameter = test_parameter (device, "zero", &shapes[s], zeros);
        g_autoptr (GError) error = NULL;

        test_set_gradient (parameter, zeros);
        for (guint step = 1; step <= 2; step++)
          reformer_optimizer_update (optimizer, parameter, step, 0.1, 1.0, &error);
        g_assert_no_error (error);
        got = test_floats (reformer_parameter_get_value (parameter));
        assert_same_bits (cases[k].name, got, zeros, n);
      }
}

/* ---- The same again ---- */

static ReformerParameter *
trained (const Case        *c,
         ReformerOptimizer *optimizer,
         const TestShape       *shape,
         guint              n_steps)
{
  const gsize n = test_count (shape);
  g_autofree float *values = g_new (float, n);
  ReformerParameter *parameter;

  test_fill (values, n, 7);
  parameter = test_parameter (device, "layers.0.weight", shape, values);
  for (guint step = 1; step <= n_steps; step++)
    make_step (c, optimizer, parameter, step);
  return parameter;
}

static void
assert_same_values (const char        *name,
                    ReformerParameter *a,
                    ReformerParameter *b)
{
  g_autofree float *x = test_floats (reformer_parameter_get_value (a));
  g_autofree float *y = test_floats (reformer_parameter_get_value (b));

  assert_same_bits (name, x, y, reformer_parameter_get_n_elements (a));
}

/* A run that goes on with saved state makes the bits that it would have made; without any one of the tensors it does not. */
static void
test_restored (gconstpointer data)
{
  const Case *c = data;
  const TestShape *shape = test_device_slow (device) ? &shapes[3] : &large_shapes[0];
  g_autoptr (ReformerOptimizer) optimizer = new_optimizer (c);
  g_autoptr (ReformerParameter) parameter = trained (c, optimizer, shape, 3);
  g_autoptr (ReformerParameter) again = NULL;
  g_autoptr (GPtrArray) names = reformer_optimizer_list_state (optimizer);
  g_autoptr (GPtrArray) saved = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree float *middle = test_floats (reformer_parameter_get_value (parameter));
  g_autofree float *end = NULL;
  const guint n_states = c->type == reformer_sgd_get_type ? c->a > 0.0 : 2;

  g_assert_cmpuint (names->len, ==, n_states);
  for (guint i = 0; i < names->len; i++)
    {
      ReformerTensor *tensor = reformer_optimizer_peek_state (optimizer, names->pdata[i]);
      gsize n_dims;
      g_autofree gint64 *dims = reformer_tensor_get_shape (tensor, &n_dims);
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) bytes = reformer_tensor_to_bytes (tensor, &error);

      g_assert_no_error (error);
      g_assert_true (g_str_has_prefix (names->pdata[i], "layers.0.weight/"));
      g_ptr_array_add (saved, reformer_tensor_new_from_bytes (device, REFORMER_DTYPE_FLOAT32, dims, n_dims, bytes, &error));
      g_assert_no_error (error);
    }
  for (guint step = 4; step <= 6; step++)
    make_step (c, optimizer, parameter, step);
  end = test_floats (reformer_parameter_get_value (parameter));

  /* left_out = names->len leaves nothing out */
  for (guint left_out = 0; left_out <= names->len; left_out++)
    {
      g_autoptr (ReformerOptimizer) other = new_optimizer (c);
      g_autoptr (ReformerParameter) copy = test_parameter (device, "layers.0.weight", shape, middle);
      g_autofree float *got = NULL;

      for (guint i = 0; i < names->len; i++)
        if (i != left_out)
          {
            ReformerTensor *tensor = saved->pdata[i];
            gsize n_dims;
            g_autofree gint64 *dims = reformer_tensor_get_shape (tensor, &n_dims);
            g_autoptr (GBytes) bytes = reformer_tensor_to_bytes (tensor, NULL);
            g_autoptr (ReformerTensor) own = reformer_tensor_new_from_bytes (device, REFORMER_DTYPE_FLOAT32, dims, n_dims, bytes, NULL);

            reformer_optimizer_put_state (other, names->pdata[i], own);
          }
      for (guint step = 4; step <= 6; step++)
        make_step (c, other, copy, step);
      got = test_floats (reformer_parameter_get_value (copy));
      if (left_out == names->len)
        assert_same_bits (c->name, got, end, test_count (shape));
      else
        g_assert_cmpint (memcmp (got, end, test_count (shape) * sizeof *got), !=, 0);
    }

  /* all over again */
  reformer_optimizer_clear_state (optimizer);
  g_ptr_array_unref (g_steal_pointer (&names));
  names = reformer_optimizer_list_state (optimizer);
  g_assert_cmpuint (names->len, ==, 0);
  again = trained (c, optimizer, shape, 6);
  assert_same_values (c->name, again, parameter);
}

/* A hash of all that the optimizers and the measure give. */
static char *
hash_everything (void)
{
  GChecksum *checksum = g_checksum_new (G_CHECKSUM_SHA256);
  char *text;

  for (gsize k = 0; k < G_N_ELEMENTS (cases); k++)
    for (gsize s = 0; s < G_N_ELEMENTS (large_shapes); s++)
      {
        g_autoptr (ReformerOptimizer) optimizer = new_optimizer (&cases[k]);
        g_autoptr (GPtrArray) parameters = g_ptr_array_new_with_free_func (g_object_unref);
        ReformerRun run = REFORMER_RUN_INIT (device, NULL);
        g_autofree float *got = NULL;
        double norm;

        g_ptr_array_add (parameters, trained (&cases[k], optimizer, &large_shapes[s], 2));
        got = test_floats (reformer_parameter_get_value (parameters->pdata[0]));
        g_checksum_update (checksum, (const guchar *) got, (gssize) (test_count (&large_shapes[s]) * sizeof *got));
        norm = reformer_optimizer_measure (parameters, &run);
        assert_run (&run);
        g_checksum_update (checksum, (const guchar *) &norm, sizeof norm);
      }
  text = g_strdup (g_checksum_get_string (checksum));
  g_checksum_free (checksum);
  return text;
}

/* Repetition changes no bit, nor does the number of cores. */
static void
test_bits (void)
{
  g_autofree char *here = NULL, *again = NULL;

  if (test_device_slow (device))
    {
      g_test_skip ("large matrices take too long in oclgrind");
      return;
    }
  here = hash_everything ();
  again = hash_everything ();
  g_assert_cmpstr (again, ==, here);
  g_assert_cmpuint (strlen (here), ==, 64);
  assert_same_elsewhere (device, here);
}

/* ---- The norm of the gradients ---- */

static double
measure (GPtrArray *parameters)
{
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);
  const double norm = reformer_optimizer_measure (parameters, &run);

  assert_run (&run);
  return norm;
}

static void
test_measure (void)
{
  const gboolean slow = test_device_slow (device);
  const double factors[] = { 1.0, 1e-18, 1e-30, 1e10, 1e18, 1e35 };
  g_autoptr (GPtrArray) parameters = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GPtrArray) gradients = g_ptr_array_new_with_free_func (g_free);

  g_assert_cmpfloat (measure (parameters), ==, 0.0);
  for (gsize i = 0; i < G_N_ELEMENTS (shapes) + (slow ? 0 : G_N_ELEMENTS (large_shapes)); i++)
    {
      const TestShape *shape = i < G_N_ELEMENTS (shapes) ? &shapes[i] : &large_shapes[i - G_N_ELEMENTS (shapes)];
      float *values = g_new0 (float, test_count (shape));

      g_ptr_array_add (parameters, test_parameter (device, "one", shape, values));
      test_fill (values, test_count (shape), (guint32) i);
      g_ptr_array_add (gradients, values);
    }
  /* no gradient yet: nothing */
  g_assert_cmpfloat (measure (parameters), ==, 0.0);

  for (gsize f = 0; f < G_N_ELEMENTS (factors); f++)
    {
      double want = 0.0, norm;

      for (guint i = 0; i < parameters->len; i++)
        {
          const gsize n = reformer_parameter_get_n_elements (parameters->pdata[i]);
          const float *values = gradients->pdata[i];
          g_autofree float *scaled = g_new (float, n);

          for (gsize j = 0; j < n; j++)
            {
              scaled[j] = (float) ((double) values[j] * factors[f]);
              want += (double) scaled[j] * (double) scaled[j];
            }
          test_set_gradient (parameters->pdata[i], scaled);
        }
      norm = measure (parameters);
      g_assert_cmpfloat_with_epsilon (norm / sqrt (want), 1.0, 1e-6);
      g_assert_cmpfloat (measure (parameters), ==, norm);
    }

  /* frozen ones do not count */
  for (guint i = 1; i < parameters->len; i++)
    reformer_parameter_set_trainable (parameters->pdata[i], FALSE);
  g_assert_cmpfloat_with_epsilon (measure (parameters), (double) fabsf (*(float *) gradients->pdata[0] * 1e35f), 1e29);
}

static void
test_not_finite (void)
{
  const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };
  const TestShape shape = test_device_slow (device) ? (TestShape) { 1, { 100 } } : (TestShape) { 1, { 40003 } };
  const gsize n = test_count (&shape), places[] = { 0, 1, n / 2, n - 2, n - 1 };
  g_autofree float *values = g_new (float, n);
  g_autoptr (GPtrArray) parameters = g_ptr_array_new_with_free_func (g_object_unref);

  test_fill (values, n, 3);
  for (int i = 0; i < 3; i++)
    {
      g_ptr_array_add (parameters, test_parameter (device, "one", &shape, values));
      test_set_gradient (parameters->pdata[i], values);
    }
  for (gsize b = 0; b < G_N_ELEMENTS (bad); b++)
    for (gsize p = 0; p < G_N_ELEMENTS (places); p++)
      for (int i = 0; i < 3; i++)
        {
          const float good = values[places[p]];

          values[places[p]] = bad[b];
          test_set_gradient (parameters->pdata[i], values);
          g_assert_false (isfinite (measure (parameters)));
          values[places[p]] = good;
          test_set_gradient (parameters->pdata[i], values);
          g_assert_true (isfinite (measure (parameters)));
        }
}

/* A run that has failed gives no number. */
static void
test_measure_fails (void)
{
  const float value = 1.0f;
  g_autoptr (GPtrArray) parameters = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  ReformerRun run = REFORMER_RUN_INIT (device, cancellable);

  g_ptr_array_add (parameters, test_parameter (device, "one", &shapes[0], &value));
  test_set_gradient (parameters->pdata[0], &value);
  g_cancellable_cancel (cancellable);
  g_assert_true (isnan (reformer_optimizer_measure (parameters, &run)));
  g_assert_error (run.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  reformer_run_clear (&run);
}

/* How much each remembers of a matrix [131, 777]. */
static void
test_memory (void)
{
  const struct
  {
    const Case *c;
    gsize       n;
  } wanted[] = { { &cases[0], 2 * 131 * 777 }, { &cases[3], 0 }, { &cases[4], 131 * 777 }, { &cases[5], 131 + 777 } };
  g_autofree float *values = g_new0 (float, 131 * 777);

  for (gsize i = 0; i < G_N_ELEMENTS (wanted); i++)
    {
      g_autoptr (ReformerOptimizer) optimizer = new_optimizer (wanted[i].c);
      g_autoptr (ReformerParameter) parameter = test_parameter (device, "one", &large_shapes[0], values);
      g_autoptr (GPtrArray) parameters = g_ptr_array_new ();
      g_autoptr (GPtrArray) names = NULL;
      g_autoptr (GPtrArray) after = NULL;
      g_autoptr (GError) error = NULL;
      gsize n = 0;

      g_ptr_array_add (parameters, parameter);
      reformer_optimizer_prepare (optimizer, parameters, &error);
      g_assert_no_error (error);
      names = reformer_optimizer_list_state (optimizer);
      for (guint j = 0; j < names->len; j++)
        n += reformer_tensor_get_n_elements (reformer_optimizer_peek_state (optimizer, names->pdata[j]));
      g_assert_cmpuint (n, ==, wanted[i].n);

      /* nothing comes later */
      if (test_device_slow (device))
        continue;
      make_step (wanted[i].c, optimizer, parameter, 1);
      after = reformer_optimizer_list_state (optimizer);
      g_assert_cmpuint (after->len, ==, names->len);
    }
}

/* ---- Speed ---- */

static void
test_perf (void)
{
  const TestShape shape = { 2, { 10000, 1000 } };
  const gsize n = test_count (&shape);
  g_autofree float *values = g_new (float, n);
  g_autoptr (ReformerParameter) parameter = NULL;
  g_autoptr (GPtrArray) parameters = g_ptr_array_new ();
  g_autoptr (ReformerTensor) other = test_tensor (device, NULL, 1, (int) n);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  test_fill (values, n, 1);
  parameter = test_parameter (device, "large", &shape, values);
  test_set_gradient (parameter, values);
  g_ptr_array_add (parameters, parameter);
  TEST_RATE (&run, "copy", 8.0 * n,
             reformer_scale (&run, 1.0f, reformer_span (reformer_parameter_get_value (parameter)), reformer_span (other), n, REFORMER_STORE_SET));
  TEST_RATE (&run, "norm of the gradients", 4.0 * n, reformer_optimizer_measure (parameters, &run));
  for (gsize k = 0; k < G_N_ELEMENTS (cases); k++)
    {
      g_autoptr (ReformerOptimizer) optimizer = new_optimizer (&cases[k]);
      /* a number: adamw w g m v, w m v; sgd w g, w, and v twice with momentum; adafactor g, g, g w w, and w where it is relative */
      const double bytes = cases[k].type == reformer_adamw_get_type ? 28.0 : cases[k].type == reformer_sgd_get_type ? (cases[k].a > 0.0 ? 20.0 : 12.0)
                           : cases[k].relative ? 24.0 : 20.0;

      TEST_RATE (&run, cases[k].name, bytes * n, reformer_optimizer_update (optimizer, parameter, 1, 1e-9, 1.0, NULL));
    }
}

int
main (int    argc,
      char **argv)
{
  int status;

  if (argc == 2 && strcmp (argv[1], "--print") == 0)
    {
      g_autofree char *hash = NULL;

      device = test_device ();
      hash = hash_everything ();
      fputs (hash, stdout);
      g_object_unref (device);
      return 0;
    }
  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  for (gsize k = 0; k < G_N_ELEMENTS (cases); k++)
    {
      g_autofree char *steps = g_strdup_printf ("/optimizer/steps/%s", cases[k].name);
      g_autofree char *restored = g_strdup_printf ("/optimizer/restored/%s", cases[k].name);

      g_test_add_data_func (steps, &cases[k], test_steps);
      g_test_add_data_func (restored, &cases[k], test_restored);
    }
  g_test_add_func ("/optimizer/known", test_known);
  g_test_add_func ("/optimizer/zeros", test_zeros);
  g_test_add_func ("/optimizer/bits", test_bits);
  g_test_add_func ("/optimizer/measure", test_measure);
  g_test_add_func ("/optimizer/not-finite", test_not_finite);
  g_test_add_func ("/optimizer/measure-fails", test_measure_fails);
  g_test_add_func ("/optimizer/memory", test_memory);
  if (g_test_perf ())
    g_test_add_func ("/optimizer/perf", test_perf);
  status = test_run ();
  g_object_unref (device);
  return status;
}
