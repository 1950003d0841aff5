/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layer-checks.h"
#include "layers/axial-position-private.h"
#include "layers/position-table-private.h"
#include "tokens.h"

/* Axial positions and the table of positions. */

/* ---- Axial positions ---- */

typedef struct
{
  const char *parameters;
  int         n;
  int         shape[4];
  int         dims[4];
  int         width;
  int         length;
} Grid;

static const Grid grids[] = {
  { "weights.0 [9, 5]", 1, { 9 }, { 5 }, 5, 9 },
  { "weights.0 [3, 1, 4]; weights.1 [1, 5, 7]", 2, { 3, 5 }, { 4, 7 }, 11, 15 },
  { "weights.0 [2, 1, 1, 3]; weights.1 [1, 3, 1, 1]; weights.2 [1, 1, 4, 18]", 3, { 2, 3, 4 }, { 3, 1, 18 }, 22, 24 },
};

static ReformerAxialPosition *
new_axial (const Grid *grid,
           double      dropout)
{
  return g_object_new (REFORMER_TYPE_AXIAL_POSITION, "device", device, "dropout", dropout,
                       "shape", g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, grid->shape, grid->n, sizeof (int)),
                       "dims", g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, grid->dims, grid->n, sizeof (int)), NULL);
}

/* The axis, its coordinate and the column in its table of a component of a position. */
static int
axial_place (const Grid *grid,
             int         position,
             int         component,
             int        *coordinate,
             int        *column)
{
  int axis = 0, after = 1;

  for (; component >= grid->dims[axis]; axis++)
    component -= grid->dims[axis];
  for (int i = axis + 1; i < grid->n; i++)
    after *= grid->shape[i];
  *coordinate = position / after % grid->shape[axis];
  *column = component;
  return axis;
}

/* The number that dropout draws by. */
static guint64
axial_dropout_index (const Grid *grid,
                     int         position,
                     int         component)
{
  int after = 1;

  if (grid->n == 1)
    return component;
  for (int i = 2; i < grid->n; i++)
    after *= grid->shape[i];
  return position / after % grid->shape[1];
}

static void
check_axial (const Grid *grid,
             const TestPass *pass,
             double      p,
             int         B,
             int         T)
{
  const int H = grid->width;
  g_autoptr (ReformerAxialPosition) layer = new_axial (grid, p);
  g_autoptr (ReformerTape) tape = test_tape (pass);
  g_autoptr (ReformerTensor) x = test_random_tensor (3, B, T, H, 1), y = NULL, dy = test_random_tensor (3, B, T, H, 2), dx = NULL, d2 = test_random_tensor (3, B, T, H, 3);
  g_autofree float *xs = test_floats (x), *ys = NULL, *dys = test_floats (dy), *d2s = test_floats (d2), *dxs = NULL;
  g_autofree double *wanted = g_new (double, (gsize) B * T * H);
  const ReformerRows rows = { 0, (gsize) B * T, (gsize) T };
  const ReformerDropout dropout = reformer_tape_dropout (tape, p, 0, 1);
  float *tables[4] = { NULL };
  double *gradients[4] = { NULL };

  assert_parameters (layer, grid->parameters);
  test_fill_parameters (layer, 3);
  for (int i = 0; i < grid->n; i++)
    {
      tables[i] = test_value (layer, i);
      gradients[i] = g_new0 (double, grid->shape[i] * grid->dims[i]);
    }
  y = test_forward (layer, x, tape);
  ys = test_floats (y);
  for (int i = 0; i < B * T * H; i++)
    {
      const int q = (int) pass->start + i / H % T, component = i % H;
      int coordinate, column;
      const int axis = axial_place (grid, q, component, &coordinate, &column);
      const double factor = (double) test_dropout_factor (&dropout, i / (T * H), axial_dropout_index (grid, q, component));

      wanted[i] = (double) xs[i] + factor * (double) tables[axis][coordinate * grid->dims[axis] + column];
      gradients[axis][coordinate * grid->dims[axis] + column] += factor * (2 * (double) dys[i] + (double) d2s[i]);
    }
  assert_close ("y", ys, wanted, (gsize) B * T * H, 1e-6);
  dx = test_backward (layer, dy, tape);
  dxs = test_floats (dx);
  assert_same_bits ("dx", dxs, dys, (gsize) B * T * H);
  reformer_axial_position_backward (layer, reformer_span (dy), reformer_span (d2), &rows, tape);
  assert_run (reformer_tape_get_run (tape));
  for (int i = 0; i < grid->n; i++)
    {
      g_autofree float *got = test_gradient (layer, i);

      assert_close ("dw of both", got, gradients[i], (gsize) grid->shape[i] * grid->dims[i], 2e-6);
      g_free (tables[i]);
      g_free (gradients[i]);
    }
  check_gradients (layer, x, pass);
  check_recording (layer, x, 0);
}

static void
test_axial (void)
{
  for (guint g = 0; g < G_N_ELEMENTS (grids); g++)
    {
      const int length = grids[g].length;

      check_axial (&grids[g], &(TestPass) { FALSE, 0, 0, 0 }, 0.0, 1, length);
      check_axial (&grids[g], &(TestPass) { FALSE, 4, 0, 0 }, 0.4, 2, length - 4);
      check_axial (&grids[g], &(TestPass) { FALSE, length - 1, 0, 0 }, 0.0, 3, 1);
      check_axial (&grids[g], &(TestPass) { TRUE, 0, 0, 0 }, 0.0, 1, length);
      check_axial (&grids[g], &(TestPass) { TRUE, 0, 42, 6 }, 0.4, 3, length);
      check_axial (&grids[g], &(TestPass) { TRUE, 2, 42, 6 }, 0.4, 2, length - 3);
    }
}

/* In place and in pieces, the same bits; a frozen table. */
static void
test_axial_pieces (void)
{
  const Grid grid = { NULL, 2, { 20, 40 }, { 3, 6 }, 9, 800 };
  const int B = 2, T = test_device_slow (device) ? 600 : 800, H = 9;
  const TestPass pass = { TRUE, 0, 3, 4 };
  g_autoptr (ReformerAxialPosition) layer = new_axial (&grid, 0.3);
  g_autoptr (ReformerTape) tape = test_tape (&pass);
  g_autoptr (ReformerTensor) x = test_random_tensor (3, B, T, H, 1), y = test_forward (layer, x, tape), dx = NULL;
  g_autofree float *wanted = test_floats (y), *got = NULL;

  for (gsize first = 0; first < (gsize) B * T; first += REFORMER_BLOCK)
    {
      const ReformerRows rows = { first, MIN (REFORMER_BLOCK, (gsize) B * T - first), (gsize) T };

      reformer_axial_position_add (layer, reformer_at (x, first * H), &rows, tape);
    }
  assert_run (reformer_tape_get_run (tape));
  got = test_floats (x);
  assert_same_bits ("x in pieces", got, wanted, (gsize) B * T * H);
  reformer_parameter_set_trainable (test_parameter (layer, 0), FALSE);
  dx = test_backward (layer, x, tape);
  g_assert_null (reformer_parameter_get_gradient (test_parameter (layer, 0)));
  g_assert_nonnull (reformer_parameter_get_gradient (test_parameter (layer, 1)));
}

static void
test_axial_errors (void)
{
  static const int shape[] = { 3, 5 }, dims[] = { 4, 7 }, zero[] = { 0, 5 }, long_shape[] = { 65536, 65536 };
  static const int many[] = { 1, 1, 1, 1, 1, 1, 1, 1 };
  g_autoptr (ReformerAxialPosition) layer = reformer_axial_position_new (device, shape, 2, dims, 2);
  g_autoptr (ReformerAxialPosition) uneven = reformer_axial_position_new (device, shape, 2, dims, 1);
  g_autoptr (ReformerAxialPosition) empty = reformer_axial_position_new (device, NULL, 0, NULL, 0);
  g_autoptr (ReformerAxialPosition) nothing = reformer_axial_position_new (device, zero, 2, dims, 2);
  g_autoptr (ReformerAxialPosition) eight = reformer_axial_position_new (device, many, 8, many, 8);
  g_autoptr (ReformerAxialPosition) seven = reformer_axial_position_new (device, many, 7, many, 7);
  g_autoptr (ReformerAxialPosition) endless = reformer_axial_position_new (device, long_shape, 2, dims, 2);
  g_autoptr (ReformerTensor) x = test_random_tensor (3, 2, 15, 11, 1), too_long = test_random_tensor (3, 1, 16, 11, 1), wrong = test_random_tensor (3, 1, 15, 10, 1);
  g_autoptr (ReformerTensor) flat = test_random_tensor (2, 15, 11, 0, 1), one = test_random_tensor (3, 1, 1, 7, 1);
  g_autoptr (ReformerTape) tape = test_tape (NULL);
  g_autoptr (ReformerTensor) y = test_forward (layer, x, tape), y7 = test_forward (seven, one, tape);
  g_autoptr (GVariant) seen = NULL;

  assert_fails (layer, too_long, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "16 tokens from position 0 on; the axial shape [3, 5] has 15 positions");
  assert_fails (layer, x, NULL, &(TestPass) { FALSE, 3, 0, 0 }, REFORMER_MODEL_ERROR_SHAPE, "15 tokens from position 3 on; the axial shape *");
  assert_fails (layer, x, NULL, &(TestPass) { FALSE, G_MAXUINT64, 0, 0 }, REFORMER_MODEL_ERROR_SHAPE, "15 tokens from position * on; the axial shape *");
  assert_fails (layer, NULL, too_long, NULL, REFORMER_MODEL_ERROR_SHAPE, "16 tokens from position 0 on; the axial shape *");
  assert_fails (layer, wrong, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "input of ReformerAxialPosition is *1, 15, 10*; wanted float32 [B, T, 11]*");
  assert_fails (layer, flat, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "input of ReformerAxialPosition is *15, 11*; wanted float32 [B, T, 11]*");
  assert_fails (layer, NULL, wrong, NULL, REFORMER_MODEL_ERROR_SHAPE, "gradient of ReformerAxialPosition is *1, 15, 10*; wanted *");
  assert_fails (uneven, x, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_CONFIG, "*shape [3, 5] and dims [4]; wanted *");
  assert_fails (empty, x, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_CONFIG, "*shape [] and dims []; wanted *");
  assert_fails (nothing, x, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_CONFIG, "*shape [0, 5] and dims *");
  assert_fails (eight, x, NULL, NULL, REFORMER_MODEL_ERROR_INVALID_CONFIG, "*wanted two lists of 1 to 7 *");
  g_assert_cmpuint (reformer_axial_position_get_max_length (layer), ==, 15);
  g_assert_cmpint (reformer_axial_position_get_hidden_size (layer), ==, 11);
  g_assert_cmpuint (reformer_axial_position_get_max_length (endless), ==, G_MAXINT32);
  g_object_get (layer, "shape", &seen, NULL);
  g_assert_cmpint (g_variant_n_children (seen), ==, 2);
  {
    gsize n_axes, n_dims, n_none;
    g_autofree int *axes = reformer_axial_position_get_shape (layer, &n_axes), *widths = reformer_axial_position_get_dims (layer, &n_dims);
    g_autofree int *none = reformer_axial_position_get_dims (empty, &n_none);

    g_assert_cmpmem (axes, n_axes * sizeof *axes, shape, sizeof shape);
    g_assert_cmpmem (widths, n_dims * sizeof *widths, dims, sizeof dims);
    g_assert_null (none);
    g_assert_cmpuint (n_none, ==, 0);
  }
}

static void
test_axial_start (void)
{
  static const int shape[] = { 64, 50 }, dims[] = { 100, 64 };
  g_autoptr (ReformerAxialPosition) layer = reformer_axial_position_new (device, shape, 2, dims, 2);

  g_assert_cmpfloat (reformer_axial_position_get_deviation (layer), ==, 1);
  g_assert_cmpfloat (reformer_axial_position_get_dropout (layer), ==, 0);
  check_start (layer, 0, 1);
  check_start (layer, 1, 1);
}

/* ---- Position table ---- */

static void
check_table (const TestPass *pass,
             double      p,
             int         length,
             int         B,
             int         T,
             int         H)
{
  g_autoptr (ReformerPositionTable) layer = g_object_new (REFORMER_TYPE_POSITION_TABLE, "device", device, "max-length", length, "hidden-size", H,
                                                          "dropout", p, NULL);
  g_autoptr (ReformerTape) tape = test_tape (pass);
  g_autoptr (ReformerTensor) x = test_random_tensor (3, B, T, H, 1), y = NULL, dy = test_random_tensor (3, B, T, H, 2), dx = NULL, d2 = test_random_tensor (3, B, T, H, 3);
  g_autofree float *xs = test_floats (x), *ys = NULL, *dys = test_floats (dy), *d2s = test_floats (d2), *dxs = NULL, *table = NULL, *dw = NULL;
  g_autofree float *in_place = NULL, *dw_pieces = NULL;
  g_autofree double *wanted = g_new (double, (gsize) B * T * H), *gradient = g_new0 (double, (gsize) length * H);
  const ReformerRows rows = { 0, (gsize) B * T, (gsize) T };
  ReformerDropout dropout;

  reformer_layer_set_number (REFORMER_LAYER (layer), 2);
  dropout = reformer_tape_dropout (tape, p, 2, 1);
  test_fill_parameters (layer, 3);
  table = test_value (layer, 0);
  y = test_forward (layer, x, tape);
  ys = test_floats (y);
  for (int i = 0; i < B * T * H; i++)
    {
      const gsize at = (gsize) pass->start * H + i % (T * H);
      const double factor = (double) test_dropout_factor (&dropout, i / (T * H), i % (T * H));

      wanted[i] = (double) xs[i] + factor * (double) table[at];
      gradient[at] += factor * ((double) dys[i] + (double) d2s[i]);
    }
  assert_close ("y", ys, wanted, (gsize) B * T * H, 1e-6);
  dx = test_backward (layer, dy, tape);
  dxs = test_floats (dx);
  assert_same_bits ("dx", dxs, dys, (gsize) B * T * H);
  g_assert_true (reformer_layer_clear_gradients (REFORMER_LAYER (layer), NULL));
  reformer_position_table_backward (layer, reformer_span (dy), reformer_span (d2), &rows, tape);
  dw = test_gradient (layer, 0);
  assert_close ("dw of d1 + d2", dw, gradient, (gsize) length * H, 2e-6);

  /* in place and in pieces, the same bits */
  g_assert_true (reformer_layer_clear_gradients (REFORMER_LAYER (layer), NULL));
  for (gsize first = 0; first < rows.count; first += REFORMER_BLOCK)
    {
      const ReformerRows piece = { first, MIN (REFORMER_BLOCK, rows.count - first), rows.T };

      reformer_position_table_add (layer, reformer_at (x, first * H), &piece, tape);
      reformer_position_table_backward (layer, reformer_at (dy, first * H), reformer_at (d2, first * H), &piece, tape);
    }
  assert_run (reformer_tape_get_run (tape));
  in_place = test_floats (x);
  assert_same_bits ("x in pieces", in_place, ys, (gsize) B * T * H);
  dw_pieces = test_gradient (layer, 0);
  assert_same_bits ("dw in pieces", dw_pieces, dw, (gsize) length * H);
}

static void
test_table (void)
{
  check_table (&(TestPass) { FALSE, 0, 0, 0 }, 0.5, 1, 1, 1, 1);
  check_table (&(TestPass) { FALSE, 3, 0, 0 }, 0.0, 20, 3, 17, 5);
  check_table (&(TestPass) { TRUE, 2, 8, 5 }, 0.4, 40, 3, 33, 17);
  if (!test_device_slow (device))
    check_table (&(TestPass) { TRUE, 0, 8, 5 }, 0.2, 1100, 3, 1075, 9);
}

static void
test_table_gradients (void)
{
  const TestPass pass = { TRUE, 1, 8, 5 };
  g_autoptr (ReformerPositionTable) layer = reformer_position_table_new (device, 6, 4);
  g_autoptr (ReformerPositionTable) dropping = g_object_new (REFORMER_TYPE_POSITION_TABLE, "device", device, "max-length", 6, "hidden-size", 4,
                                                             "dropout", 0.3, NULL);
  g_autoptr (ReformerTensor) x = test_random_tensor (3, 2, 5, 4, 1), too_long = test_random_tensor (3, 1, 7, 4, 1), wrong = test_random_tensor (3, 1, 5, 3, 1);

  assert_parameters (layer, "embedding.weight [6, 4]");
  test_fill_parameters (layer, 3);
  test_fill_parameters (dropping, 3);
  check_gradients (layer, x, NULL);
  check_gradients (dropping, x, &pass);
  check_recording (layer, x, 0);
  assert_fails (layer, too_long, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "7 tokens from position 0 on; the table of positions has 6");
  assert_fails (layer, x, NULL, &(TestPass) { FALSE, 2, 0, 0 }, REFORMER_MODEL_ERROR_SHAPE, "5 tokens from position 2 on; the table of positions has 6");
  assert_fails (layer, x, NULL, &(TestPass) { FALSE, G_MAXUINT64, 0, 0 }, REFORMER_MODEL_ERROR_SHAPE, "5 tokens from position * on; *");
  assert_fails (layer, NULL, too_long, NULL, REFORMER_MODEL_ERROR_SHAPE, "7 tokens *");
  assert_fails (layer, wrong, NULL, NULL, REFORMER_MODEL_ERROR_SHAPE, "input of ReformerPositionTable is *1, 5, 3*; wanted float32 [B, T, 4]*");
}

static void
test_table_start (void)
{
  g_autoptr (ReformerPositionTable) layer = reformer_position_table_new (device, 100, 64);

  g_assert_cmpint (reformer_position_table_get_max_length (layer), ==, 100);
  g_assert_cmpint (reformer_position_table_get_hidden_size (layer), ==, 64);
  g_assert_cmpfloat (reformer_position_table_get_deviation (layer), ==, 0.02);
  g_assert_cmpfloat (reformer_position_table_get_dropout (layer), ==, 0);
  check_start (layer, 0, 0.02);
}

int
main (int    argc,
      char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = test_device ();
  g_test_add_func ("/positions/axial/reference", test_axial);
  g_test_add_func ("/positions/axial/pieces", test_axial_pieces);
  g_test_add_func ("/positions/axial/errors", test_axial_errors);
  g_test_add_func ("/positions/axial/start", test_axial_start);
  g_test_add_func ("/positions/table/reference", test_table);
  g_test_add_func ("/positions/table/gradients", test_table_gradients);
  g_test_add_func ("/positions/table/start", test_table_start);
  status = test_run ();
  g_object_unref (device);
  return status;
}
