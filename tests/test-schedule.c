/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compute/home.h"

#include <libreformer/training/reformer-schedule.h>
#include <libreformer/training/reformer-trainer-error.h>

#include <math.h>

static ReformerSchedule *
new_schedule (ReformerDecay decay,
              guint         warmup,
              double        final)
{
  return g_object_new (REFORMER_TYPE_SCHEDULE, "decay", decay, "warmup-steps", warmup, "final-factor", final, NULL);
}

static double
compute_factor (ReformerSchedule  *schedule,
                guint              step,
                guint              total_steps,
                GError           **error)
{
  double factor;

  reformer_schedule_compute_factor (schedule, step, total_steps, &factor, error);
  return factor;
}

#define assert_factor(schedule, step, total, want) \
  g_assert_cmpfloat_with_epsilon (compute_factor ((schedule), (step), (total), NULL), (want), 1e-15)

static void
test_defaults (void)
{
  g_autoptr (ReformerSchedule) schedule = reformer_schedule_new ();
  ReformerDecay decay;
  guint warmup;
  double final;

  g_object_get (schedule, "decay", &decay, "warmup-steps", &warmup, "final-factor", &final, NULL);
  g_assert_cmpint (decay, ==, REFORMER_DECAY_COSINE);
  g_assert_cmpuint (warmup, ==, 0);
  g_assert_cmpfloat (final, ==, 0.0);
}

static void
test_warmup (void)
{
  for (int decay = REFORMER_DECAY_CONSTANT; decay <= REFORMER_DECAY_INVERSE_SQRT; decay++)
    {
      g_autoptr (ReformerSchedule) schedule = new_schedule (decay, 4, 0.1);

      /* the same whether the end is known, and where it lies inside the warm-up */
      for (guint total = 0; total <= 100; total += 2)
        {
          assert_factor (schedule, 0, total, 0.25);
          assert_factor (schedule, 1, total, 0.25);
          assert_factor (schedule, 3, total, 0.75);
          assert_factor (schedule, 4, total, 1.0);
        }
    }
}

static void
test_constant (void)
{
  g_autoptr (ReformerSchedule) schedule = new_schedule (REFORMER_DECAY_CONSTANT, 2, 0.5);

  assert_factor (schedule, 3, 10, 1.0);
  assert_factor (schedule, 10, 10, 1.0);
  assert_factor (schedule, G_MAXUINT, 10, 1.0);
}

static void
test_linear (void)
{
  g_autoptr (ReformerSchedule) schedule = new_schedule (REFORMER_DECAY_LINEAR, 2, 0.2);

  assert_factor (schedule, 2, 10, 1.0);
  assert_factor (schedule, 3, 10, 1.0);
  assert_factor (schedule, 4, 10, 0.9);
  assert_factor (schedule, 7, 10, 0.6);
  assert_factor (schedule, 10, 10, 0.3);
  assert_factor (schedule, 11, 10, 0.2);
  assert_factor (schedule, G_MAXUINT, 10, 0.2);
  assert_factor (schedule, 2, 2, 1.0);
  assert_factor (schedule, 3, 2, 0.2);
  assert_factor (schedule, 3, 1, 0.2);
  assert_factor (schedule, 1000, 0, 1.0);

  reformer_schedule_set_warmup_steps (schedule, 0);
  assert_factor (schedule, 1, 4, 1.0);
  assert_factor (schedule, 2, 4, 0.8);
  assert_factor (schedule, 4, 4, 0.4);
  assert_factor (schedule, 1, 1, 1.0); /* one step alone is a whole one */
  g_assert_cmpfloat (compute_factor (schedule, G_MAXUINT, G_MAXUINT, NULL), >, 0.2);
}

static void
test_cosine (void)
{
  g_autoptr (ReformerSchedule) schedule = new_schedule (REFORMER_DECAY_COSINE, 2, 0.2);

  assert_factor (schedule, 2, 10, 1.0);
  assert_factor (schedule, 5, 10, 0.2 + 0.8 * 0.5 * (1.0 + sqrt (0.5)));
  assert_factor (schedule, 7, 10, 0.6);
  assert_factor (schedule, 11, 10, 0.2);
  assert_factor (schedule, 50, 10, 0.2);
  assert_factor (schedule, 50, 0, 1.0);
  reformer_schedule_set_final_factor (schedule, 0.0);
  assert_factor (schedule, 11, 10, 0.0);
  g_assert_cmpfloat (compute_factor (schedule, 11, 10, NULL), >=, 0.0);
  g_assert_cmpfloat (compute_factor (schedule, 10, 10, NULL), >, 0.0);

  for (guint step = 4; step <= 10; step++)
    g_assert_cmpfloat (compute_factor (schedule, step, 10, NULL), <, compute_factor (schedule, step - 1, 10, NULL));
}

static void
test_inverse_sqrt (void)
{
  g_autoptr (ReformerSchedule) schedule = new_schedule (REFORMER_DECAY_INVERSE_SQRT, 4, 0.2);

  for (guint total = 0; total <= 16; total += 16)
    {
      assert_factor (schedule, 5, total, 2.0 / sqrt (5.0));
      assert_factor (schedule, 16, total, 0.5);
      assert_factor (schedule, 400, total, 0.1);
    }
  reformer_schedule_set_warmup_steps (schedule, 0);
  assert_factor (schedule, 0, 0, 1.0);
  assert_factor (schedule, 1, 0, 1.0);
  assert_factor (schedule, 4, 0, 0.5);
}

/* Each change is told once. */
static void
count (int *n)
{
  ++*n;
}

static void
test_notify (void)
{
  g_autoptr (ReformerSchedule) schedule = reformer_schedule_new ();
  int n = 0;

  g_signal_connect_swapped (schedule, "notify", G_CALLBACK (count), &n);
  reformer_schedule_set_decay (schedule, REFORMER_DECAY_COSINE);
  reformer_schedule_set_warmup_steps (schedule, 0);
  reformer_schedule_set_final_factor (schedule, 0.0);
  g_assert_cmpint (n, ==, 0);
  g_object_set (schedule, "decay", REFORMER_DECAY_LINEAR, "warmup-steps", 5, "final-factor", 0.5, NULL);
  g_assert_cmpint (n, ==, 3);
  g_assert_cmpint (reformer_schedule_get_decay (schedule), ==, REFORMER_DECAY_LINEAR);
  g_assert_cmpuint (reformer_schedule_get_warmup_steps (schedule), ==, 5);
  g_assert_cmpfloat (reformer_schedule_get_final_factor (schedule), ==, 0.5);
}

/* ---- A class from elsewhere ---- */

typedef struct
{
  ReformerSchedule parent_instance;
  GThread         *thread; /* that called last */
} StairSchedule;

typedef ReformerScheduleClass StairScheduleClass;

static GType stair_schedule_get_type (void);
G_DEFINE_TYPE (StairSchedule, stair_schedule, REFORMER_TYPE_SCHEDULE)

static void
stair_schedule_compute_factor (ReformerSchedule  *schedule,
                               guint              step,
                               guint              total_steps,
                               double            *factor,
                               GError           **error)
{
  ((StairSchedule *) schedule)->thread = g_thread_self ();
  if (total_steps == 0)
    g_set_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID, "stairs without an end");
  *factor = step > total_steps ? (double) NAN : step > 10 ? -1.0 : 1.0;
}

static void
stair_schedule_class_init (StairScheduleClass *klass)
{
  klass->compute_factor = stair_schedule_compute_factor;
}

static void
stair_schedule_init (StairSchedule *self)
{
}

typedef struct
{
  ReformerSchedule *schedule;
  GCancellable     *cancellable;
  GMainLoop        *loop;
  double            factor;
  GError           *error;
} Away;

static gpointer
compute_away (gpointer data)
{
  Away *away = data;

  reformer_home_enter (NULL, away->cancellable);
  away->factor = compute_factor (away->schedule, 3, 20, &away->error);
  reformer_home_leave ();
  if (away->loop != NULL)
    g_main_loop_quit (away->loop);
  return NULL;
}

static void
test_foreign (void)
{
  g_autoptr (ReformerSchedule) schedule = g_object_new (stair_schedule_get_type (), NULL);
  g_autoptr (ReformerSchedule) own = new_schedule (REFORMER_DECAY_LINEAR, 0, 0.0);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  Away away = { schedule, NULL, loop, 0.0, NULL };

  /* in the caller's thread what it says is given on, whatever it is */
  assert_factor (schedule, 1, 20, 1.0);
  assert_factor (schedule, 11, 20, -1.0);
  g_assert_true (isnan (compute_factor (schedule, 21, 20, &error)));
  g_assert_no_error (error);
  g_assert_true (isnan (compute_factor (schedule, 1, 0, &error)));
  g_assert_error (error, REFORMER_TRAINER_ERROR, REFORMER_TRAINER_ERROR_INVALID);
  g_assert_cmpstr (error->message, ==, "stairs without an end");

  /* from another it is called here */
  ((StairSchedule *) schedule)->thread = NULL;
  {
    GThread *thread = g_thread_new ("away", compute_away, &away);

    g_main_loop_run (loop);
    g_thread_join (thread);
  }
  g_assert_no_error (away.error);
  g_assert_cmpfloat (away.factor, ==, 1.0);
  g_assert_true (((StairSchedule *) schedule)->thread == g_thread_self ());

  /* cancelled before anybody could call it; our own needs nobody */
  g_cancellable_cancel (cancellable);
  away = (Away) { schedule, cancellable, NULL, 0.0, NULL };
  g_thread_join (g_thread_new ("away", compute_away, &away));
  g_assert_true (isnan (away.factor));
  g_assert_error (away.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&away.error);
  away = (Away) { own, NULL, NULL, 0.0, NULL };
  g_thread_join (g_thread_new ("away", compute_away, &away));
  g_assert_cmpfloat_with_epsilon (away.factor, 0.9, 1e-15);
}

static void
test_names (void)
{
  g_autoptr (GEnumClass) decays = g_type_class_ref (REFORMER_TYPE_DECAY);
  g_autoptr (GEnumClass) errors = g_type_class_ref (REFORMER_TYPE_TRAINER_ERROR);

  g_assert_cmpint (g_enum_get_value_by_nick (decays, "inverse-sqrt")->value, ==, REFORMER_DECAY_INVERSE_SQRT);
  g_assert_cmpuint (decays->n_values, ==, 4);
  g_assert_cmpint (g_enum_get_value_by_nick (errors, "non-finite")->value, ==, REFORMER_TRAINER_ERROR_NON_FINITE);
  g_assert_cmpstr (g_quark_to_string (REFORMER_TRAINER_ERROR), ==, "reformer-trainer-error-quark");
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/schedule/defaults", test_defaults);
  g_test_add_func ("/schedule/warmup", test_warmup);
  g_test_add_func ("/schedule/constant", test_constant);
  g_test_add_func ("/schedule/linear", test_linear);
  g_test_add_func ("/schedule/cosine", test_cosine);
  g_test_add_func ("/schedule/inverse-sqrt", test_inverse_sqrt);
  g_test_add_func ("/schedule/notify", test_notify);
  g_test_add_func ("/schedule/foreign", test_foreign);
  g_test_add_func ("/schedule/names", test_names);
  return g_test_run ();
}
