/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What optimizers are beside their numbers: state, properties, bad values, classes written elsewhere. */
#include "optimizers.h"

#include "compute/home.h"
#include "ops/elementwise.h"
#include "training/optimizer-private.h"

#include <libreformer/training/reformer-adafactor.h>
#include <libreformer/training/reformer-adamw.h>
#include <libreformer/training/reformer-sgd.h>
#include <libreformer/training/reformer-trainer-error.h>

#include <math.h>

static ReformerDevice *device;

static const TestShape one = { 1, { 1 } }, three = { 1, { 3 } };

/* ---- State ---- */

static void
test_state (void)
{
  const float value = 1.0f;
  const gint64 two[] = { 2 };
  g_autoptr (ReformerOptimizer) optimizer = reformer_adamw_new ();
  g_autoptr (ReformerParameter) parameter = test_parameter (device, "a.b", &one, &value);
  g_autoptr (ReformerParameter) frozen = test_parameter (device, "frozen", &one, &value);
  g_autoptr (ReformerParameter) unfilled = reformer_parameter_new (device, "unfilled", two, 1);
  g_autoptr (GPtrArray) parameters = g_ptr_array_new ();
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (ReformerTensor) wrong = test_tensor (device, NULL, 2, 1, 1);
  g_autoptr (ReformerTensor) ids = test_tensor_int (device, NULL, 1, 1);
  g_autoptr (GError) error = NULL;
  g_autofree float *got = NULL;
  ReformerTensor *state;

  reformer_parameter_set_trainable (frozen, FALSE);
  g_ptr_array_add (parameters, parameter);
  g_ptr_array_add (parameters, frozen);
  g_ptr_array_add (parameters, unfilled);
  g_assert_true (reformer_optimizer_prepare (optimizer, parameters, &error));
  g_assert_no_error (error);
  names = reformer_optimizer_list_state (optimizer);
  g_assert_cmpuint (names->len, ==, 4);
  g_assert_cmpstr (names->pdata[0], ==, "a.b/mean");
  g_assert_cmpstr (names->pdata[1], ==, "a.b/square");
  g_assert_cmpstr (names->pdata[2], ==, "unfilled/mean");
  g_assert_cmpstr (names->pdata[3], ==, "unfilled/square");
  g_assert_null (reformer_optimizer_peek_state (optimizer, "a.b/none"));

  /* zeros, in a shape of its own, the same tensor at every call */
  state = reformer_optimizer_get_state (optimizer, parameter, "more", two, 1, &error);
  g_assert_no_error (error);
  g_assert_true (state == reformer_optimizer_get_state (optimizer, parameter, "more", two, 1, &error));
  got = test_floats (state);
  g_assert_cmpfloat (got[0], ==, 0.0f);
  g_assert_cmpfloat (got[1], ==, 0.0f);
  g_assert_null (reformer_optimizer_get_state (optimizer, parameter, "more", NULL, 0, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH);
  g_assert_cmpstr (error->message, ==, "state a.b/more is float32 [2]; wanted is float32 [1]");
  g_clear_error (&error);

  g_assert_null (reformer_optimizer_get_state (optimizer, parameter, "a/b", NULL, 0, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID);
  g_assert_cmpstr (error->message, ==, "state \"a/b\" of parameter a.b: wanted is a name without a slash");
  g_clear_error (&error);
  g_assert_null (reformer_optimizer_get_state (optimizer, parameter, "", NULL, 0, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (reformer_optimizer_get_state (optimizer, parameter, "negative", (const gint64[]) { -1 }, 1, &error));
  g_assert_error (error, REFORMER_DEVICE_ERROR, REFORMER_DEVICE_ERROR_INVALID);
  g_assert_true (g_str_has_prefix (error->message, "state a.b/negative: "));
  g_clear_error (&error);

  /* what is put in waits until it is asked for, and keeps its place in the order */
  reformer_optimizer_put_state (optimizer, "a.b/mean", wrong);
  g_assert_true (reformer_optimizer_peek_state (optimizer, "a.b/mean") == wrong);
  test_set_gradient (parameter, &value);
  g_assert_false (reformer_optimizer_update (optimizer, parameter, 1, 0.1, 1.0, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_MISMATCH);
  g_assert_cmpstr (error->message, ==, "state a.b/mean is float32 [1, 1]; wanted is float32 [1]");
  g_clear_error (&error);
  reformer_optimizer_put_state (optimizer, "a.b/mean", ids);
  g_assert_false (reformer_optimizer_update (optimizer, parameter, 1, 0.1, 1.0, &error));
  g_assert_cmpstr (error->message, ==, "state a.b/mean is int32 [1]; wanted is float32 [1]");
  g_ptr_array_unref (g_steal_pointer (&names));
  names = reformer_optimizer_list_state (optimizer);
  g_assert_cmpuint (names->len, ==, 5);
  g_assert_cmpstr (names->pdata[0], ==, "a.b/mean");
}

/* Tensors take whole pages. */
static void
assert_about (guint64 bytes,
              guint64 want)
{
  g_assert_cmpuint (bytes, >=, want);
  g_assert_cmpuint (bytes, <, want + 16384);
}

/* On a planner: counted, and nothing computed. Adafactor needs a little more for a moment. */
static void
test_planner (void)
{
  const TestShape shape = { 2, { 3000, 500 } };
  const guint64 size = 4 * 3000 * 500;
  const struct
  {
    GType   type;
    guint64 state, peak;
  } wanted[] = { { REFORMER_TYPE_ADAMW, 2 * size, 0 }, { REFORMER_TYPE_SGD, 0, 0 }, { REFORMER_TYPE_ADAFACTOR, 4 * 3500, size / 8 } };

  for (gsize i = 0; i < G_N_ELEMENTS (wanted); i++)
    {
      g_autoptr (ReformerDevice) planner = reformer_device_new_planner (device);
      g_autoptr (ReformerOptimizer) optimizer = g_object_new (wanted[i].type, NULL);
      g_autoptr (ReformerParameter) parameter = reformer_parameter_new (planner, "large", shape.dims, shape.n_dims);
      g_autoptr (GPtrArray) parameters = g_ptr_array_new ();
      g_autoptr (GError) error = NULL;
      ReformerRun run = REFORMER_RUN_INIT (planner, NULL);
      guint64 before;

      g_ptr_array_add (parameters, parameter);
      reformer_parameter_value (parameter, &run, 0);
      reformer_parameter_gradient (parameter, &run, 0);
      g_assert_cmpfloat (reformer_optimizer_measure (parameters, &run), ==, 0.0);
      assert_run (&run);
      before = reformer_device_get_memory_used (planner);
      assert_about (before, 2 * size);
      g_assert_true (reformer_optimizer_prepare (optimizer, parameters, &error));
      g_assert_no_error (error);
      assert_about (reformer_device_get_memory_used (planner), before + wanted[i].state);
      g_assert_true (reformer_optimizer_update (optimizer, parameter, 1, 0.1, 1.0, &error));
      g_assert_no_error (error);
      assert_about (reformer_device_get_memory_used (planner), before + wanted[i].state);
      if (wanted[i].peak != 0)
        g_assert_cmpuint (reformer_device_get_memory_peak (planner), <, before + wanted[i].state + wanted[i].peak);
    }
}

/* ---- Bad values ---- */

static void
assert_refused (ReformerOptimizer *optimizer,
                ReformerParameter *parameter,
                guint              step,
                double             learning_rate,
                double             scale,
                const char        *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree float *before = test_floats (reformer_parameter_get_value (parameter));
  g_autofree float *after = NULL;

  g_assert_false (reformer_optimizer_update (optimizer, parameter, step, learning_rate, scale, &error));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID);
  g_assert_cmpstr (error->message, ==, message);
  after = test_floats (reformer_parameter_get_value (parameter));
  assert_same_bits (message, after, before, reformer_parameter_get_n_elements (parameter));
}

static void
test_bad_values (void)
{
  const float value = 1.0f;
  g_autoptr (ReformerOptimizer) adamw = reformer_adamw_new ();
  g_autoptr (ReformerOptimizer) sgd = reformer_sgd_new ();
  g_autoptr (ReformerOptimizer) adafactor = reformer_adafactor_new ();
  g_autoptr (ReformerParameter) parameter = test_parameter (device, "one", &one, &value);
  g_autoptr (ReformerParameter) unfilled = reformer_parameter_new (device, "unfilled", one.dims, 1);
  g_autoptr (GError) error = NULL;

  g_assert_cmpfloat (reformer_optimizer_get_learning_rate (adamw), ==, 1e-3);
  g_assert_cmpfloat (reformer_optimizer_get_learning_rate (sgd), ==, 0.01);
  g_assert_cmpfloat (reformer_optimizer_get_learning_rate (adafactor), ==, 1e-3);

  /* without a gradient there is nothing to do */
  g_assert_true (reformer_optimizer_update (adamw, parameter, 1, 0.1, 1.0, &error));
  g_assert_no_error (error);
  g_assert_null (reformer_optimizer_peek_state (adamw, "one/mean"));

  test_set_gradient (parameter, &value);
  assert_refused (adamw, parameter, 0, 0.1, 1.0, "ReformerAdamW: the step is 0; steps are counted from 1");
  assert_refused (adamw, parameter, 1, NAN, 1.0, "ReformerAdamW: the learning rate is nan; wanted is a finite number, at least 0");
  assert_refused (sgd, parameter, 1, -0.5, 1.0, "ReformerSgd: the learning rate is -0.5; wanted is a finite number, at least 0");
  assert_refused (adafactor, parameter, 1, INFINITY, 1.0, "ReformerAdafactor: the learning rate is inf; wanted is a finite number, at least 0");
  assert_refused (adamw, parameter, 1, 0.1, NAN, "ReformerAdamW: the factor of the gradient is nan; wanted is a finite number, at least 0");
  assert_refused (adamw, parameter, 1, 0.1, -1.0, "ReformerAdamW: the factor of the gradient is -1; wanted is a finite number, at least 0");

  reformer_optimizer_set_learning_rate (adamw, NAN);
  assert_refused (adamw, parameter, 1, 0.1, 1.0, "ReformerAdamW: learning-rate is nan; wanted is a number from 0 to 3.40282e+38");
  reformer_optimizer_set_learning_rate (adamw, 0.1);
  reformer_adamw_set_beta1 (REFORMER_ADAMW (adamw), NAN);
  assert_refused (adamw, parameter, 1, 0.1, 1.0, "ReformerAdamW: beta1 is nan; wanted is a number from 0 to 1");
  reformer_adamw_set_beta1 (REFORMER_ADAMW (adamw), 0.9);
  reformer_adamw_set_epsilon (REFORMER_ADAMW (adamw), 0.0);
  assert_refused (adamw, parameter, 1, 0.1, 1.0, "ReformerAdamW: epsilon is 0; wanted is a number from 1e-20 to 3.40282e+38");
  reformer_sgd_set_momentum (REFORMER_SGD (sgd), -0.1);
  assert_refused (sgd, parameter, 1, 0.1, 1.0, "ReformerSgd: momentum is -0.1; wanted is a number from 0 to 3.40282e+38");
  reformer_adafactor_set_decay (REFORMER_ADAFACTOR (adafactor), 0.5);
  assert_refused (adafactor, parameter, 1, 0.1, 1.0, "ReformerAdafactor: decay is 0.5; wanted is a number from -1 to 0");

  test_set_gradient (unfilled, &value);
  g_assert_false (reformer_optimizer_update (sgd, unfilled, 1, 0.1, 1.0, &error));
  g_assert_cmpstr (error->message, ==, "parameter unfilled has a gradient, but no value yet; fill it first");
}

/* ---- A class from elsewhere: keeps the last gradient, and goes along the sum of both ---- */

typedef struct
{
  ReformerOptimizer parent_instance;
  GThread          *thread; /* that called last */
  int               way;    /* 0: works, 1: fails without an error, 2: with one, 3: an error and TRUE */
} PairOptimizer;

typedef ReformerOptimizerClass PairOptimizerClass;

static GType pair_optimizer_get_type (void);
G_DEFINE_TYPE (PairOptimizer, pair_optimizer, REFORMER_TYPE_OPTIMIZER)

static gboolean
pair_optimizer_update (ReformerOptimizer  *optimizer,
                       ReformerParameter  *parameter,
                       guint               step,
                       double              learning_rate,
                       double              scale,
                       GError            **error)
{
  PairOptimizer *self = (PairOptimizer *) optimizer;
  const gsize n = reformer_parameter_get_n_elements (parameter);
  ReformerTensor *last = reformer_optimizer_get_state (optimizer, parameter, "last", NULL, 0, error);
  ReformerTensor *value = reformer_parameter_get_value (parameter), *gradient = reformer_parameter_get_gradient (parameter);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  self->thread = g_thread_self ();
  if (self->way >= 2)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "the optimizer has an error");
  if (self->way != 0 || last == NULL)
    return self->way == 3;
  reformer_scale (&run, (float) (learning_rate * scale), reformer_span (last), reformer_span (value), n, REFORMER_STORE_SUBTRACT);
  reformer_scale (&run, (float) (learning_rate * scale), reformer_span (gradient), reformer_span (value), n, REFORMER_STORE_SUBTRACT);
  reformer_scale (&run, 1.0f, reformer_span (gradient), reformer_span (last), n, REFORMER_STORE_SET);
  return reformer_run_finish (&run, error);
}

static void
pair_optimizer_class_init (PairOptimizerClass *klass)
{
  klass->update = pair_optimizer_update;
}

static void
pair_optimizer_init (PairOptimizer *self)
{
}

/* Overrides nothing. */
typedef PairOptimizer IdleOptimizer;
typedef ReformerOptimizerClass IdleOptimizerClass;

static GType idle_optimizer_get_type (void);
G_DEFINE_TYPE (IdleOptimizer, idle_optimizer, REFORMER_TYPE_OPTIMIZER)

static void
idle_optimizer_class_init (IdleOptimizerClass *klass)
{
}

static void
idle_optimizer_init (IdleOptimizer *self)
{
}

typedef struct
{
  ReformerOptimizer *optimizer;
  ReformerParameter *parameter;
  GCancellable      *cancellable;
  GMainLoop         *loop;
  gboolean           done;
  GError            *error;
} Away;

static gpointer
update_away (gpointer data)
{
  Away *away = data;

  reformer_home_enter (NULL, away->cancellable);
  away->done = reformer_optimizer_update (away->optimizer, away->parameter, 2, 0.25, 0.5, &away->error);
  reformer_home_leave ();
  if (away->loop != NULL)
    g_main_loop_quit (away->loop);
  return NULL;
}

static void
test_foreign (void)
{
  const float start[] = { 1.0f, 2.0f, 3.0f }, first[] = { 1.0f, 0.0f, -1.0f }, second[] = { 0.0f, 2.0f, 4.0f };
  const double after_one[] = { 0.5, 2.0, 3.5 }, after_two[] = { 0.375, 1.75, 3.125 };
  g_autoptr (ReformerOptimizer) optimizer = g_object_new (pair_optimizer_get_type (), NULL);
  g_autoptr (ReformerOptimizer) idle = g_object_new (idle_optimizer_get_type (), NULL);
  g_autoptr (ReformerParameter) parameter = test_parameter (device, "three", &three, start);
  g_autoptr (GPtrArray) parameters = g_ptr_array_new ();
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GError) error = NULL;
  PairOptimizer *pair = (PairOptimizer *) optimizer;
  Away away = { optimizer, parameter, NULL, loop, FALSE, NULL };
  g_autofree float *got = NULL, *got_again = NULL;
  GThread *thread;

  /* Nobody knows its state before it asks. */
  g_ptr_array_add (parameters, parameter);
  g_assert_true (reformer_optimizer_prepare (optimizer, parameters, &error));
  names = reformer_optimizer_list_state (optimizer);
  g_assert_cmpuint (names->len, ==, 0);

  test_set_gradient (parameter, first);
  g_assert_true (reformer_optimizer_update (optimizer, parameter, 1, 0.5, 1.0, &error));
  g_assert_no_error (error);
  got = test_floats (reformer_parameter_get_value (parameter));
  assert_near ("pair", got, after_one, 3, 1e-7);
  g_assert_nonnull (reformer_optimizer_peek_state (optimizer, "three/last"));

  /* from another thread it is called here */
  pair->thread = NULL;
  test_set_gradient (parameter, second);
  thread = g_thread_new ("away", update_away, &away);
  g_main_loop_run (loop);
  g_thread_join (thread);
  g_assert_no_error (away.error);
  g_assert_true (away.done);
  g_assert_true (pair->thread == g_thread_self ());
  got_again = test_floats (reformer_parameter_get_value (parameter));
  assert_near ("pair, away", got_again, after_two, 3, 1e-7);

  /* cancelled before anybody could call it */
  g_cancellable_cancel (cancellable);
  away = (Away) { optimizer, parameter, cancellable, NULL, TRUE, NULL };
  g_thread_join (g_thread_new ("away", update_away, &away));
  g_assert_false (away.done);
  g_assert_error (away.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&away.error);

  pair->way = 1;
  assert_refused (optimizer, parameter, 3, 0.5, 1.0, "update of PairOptimizer failed for three without an error; it must return TRUE or set one");
  for (pair->way = 2; pair->way <= 3; pair->way++)
    {
      g_assert_false (reformer_optimizer_update (optimizer, parameter, 3, 0.5, 1.0, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
      g_clear_error (&error);
    }
  assert_refused (idle, parameter, 1, 0.5, 1.0, "IdleOptimizer has no update of its own; an optimizer must override it");
}

/* ---- Properties ---- */

static void
count_notify (int *n)
{
  ++*n;
}

static void
test_properties (void)
{
  const GType types[] = { REFORMER_TYPE_ADAMW, REFORMER_TYPE_SGD, REFORMER_TYPE_ADAFACTOR };

  for (gsize k = 0; k < G_N_ELEMENTS (types); k++)
    {
      g_autoptr (ReformerOptimizer) optimizer = g_object_new (types[k], NULL);
      guint n_pspecs;
      g_autofree GParamSpec **pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (optimizer), &n_pspecs);

      for (guint i = 0; i < n_pspecs; i++)
        {
          g_auto (GValue) value = G_VALUE_INIT;
          int n = 0;

          /* what it is at first is what the property says, and setting that says nothing */
          g_object_get_property (G_OBJECT (optimizer), pspecs[i]->name, &value);
          g_assert_true (g_param_value_defaults (pspecs[i], &value));
          g_signal_connect_swapped (optimizer, "notify", G_CALLBACK (count_notify), &n);
          g_object_set_property (G_OBJECT (optimizer), pspecs[i]->name, &value);
          g_assert_cmpint (n, ==, 0);
          if (G_VALUE_HOLDS_DOUBLE (&value))
            g_value_set_double (&value, G_PARAM_SPEC_DOUBLE (pspecs[i])->maximum);
          else
            g_value_set_boolean (&value, !g_value_get_boolean (&value));
          g_object_set_property (G_OBJECT (optimizer), pspecs[i]->name, &value);
          g_assert_cmpint (n, ==, 1);
          g_signal_handlers_disconnect_by_func (optimizer, count_notify, &n);
        }
      /* with every setting at its largest */
      {
        g_autoptr (ReformerParameter) parameter = test_parameter (device, "one", &one, (const float[]) { 0.0f });
        g_autoptr (GError) error = NULL;

        test_set_gradient (parameter, (const float[]) { 0.0f });
        g_assert_true (reformer_optimizer_update (optimizer, parameter, 1, 0.1, 1.0, &error));
        g_assert_no_error (error);
      }
    }
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/optimizer-class/state", test_state);
  g_test_add_func ("/optimizer-class/planner", test_planner);
  g_test_add_func ("/optimizer-class/bad-values", test_bad_values);
  g_test_add_func ("/optimizer-class/foreign", test_foreign);
  g_test_add_func ("/optimizer-class/properties", test_properties);
  status = test_run ();
  g_object_unref (device);
  return status;
}
