/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/product.h"

#include "compute/clblast.h"
#include "compute/device-private.h"
#include "ops/activation-private.h"
#include "ops/tuning.h"

/* Scratch for the sums of token blocks that are computed side by side. */
#define PARTS_BYTES (16 << 20)
#define WIDE_ROWS "wide/product-tiles+wide/product-rows"
#define WIDE_NORM "norm-rows+wide/product-tiles+wide/product-rows+wide/product-norm"
#define WIDE_TOKENS "wide/product-tiles+wide/product-tokens"
#define FUNCTIONS "activation-functions+"
#define KC 256
#define TC 128
#define NORM_ROWS 96
/* CLBlast gets weights of at most so many elements at a time, so that its scratch stays below 48 MiB. */
#define CLBLAST_WEIGHTS (4 << 20)
#define CLBLAST_WIDEST 4096

static gsize
up (gsize a,
    gsize b)
{
  return (a + b - 1) / b;
}

/* Blocks of tokens whose sums of `elements` numbers fit into the scratch. */
static gsize
blocks_at_once (gsize elements,
                gsize t)
{
  const gsize blocks = up (t, REFORMER_BLOCK);

  return CLAMP (PARTS_BYTES / sizeof (float) / elements, 1, blocks);
}

/* The wide dialect: sizes as in kernels/wide/product-tiles.cl. */
typedef struct
{
  gsize mr, nr;
  gsize units;
  char  options[REFORMER_TUNING_OPTIONS];
} Wide;

/* The tokens' tiles with their padding, as in the kernel; the narrowest panels have 6 rows. */
static gsize
wide_local (const int    *sizes,
            gconstpointer device)
{
  return sizeof (float) * (TC * (sizes[0] + sizes[1]) + 16 * sizes[0] / 6 + sizes[1]);
}

static void
wide_options (const int    *sizes,
              gconstpointer device,
              char         *options,
              gsize         size)
{
  g_snprintf (options, size, "-DTM=%d -DTN=%d%s", sizes[0], sizes[1],
              reformer_device_get_kind ((ReformerDevice *) device) == REFORMER_DEVICE_KIND_CPU ? "" : " -DMADD=mad");
}

static Wide
wide_for (ReformerRun *run,
          const char  *family)
{
  const ReformerTuningUse use = { family, wide_local, NULL, NULL, wide_options };
  const gboolean narrow = reformer_device_get_vector_width (run->device) == 8;
  Wide wide = { .mr = narrow ? 6 : 12, .nr = narrow ? 16 : 32, .units = MAX (1, reformer_device_get_compute_units (run->device)) };

  reformer_tuning_choose (run, REFORMER_TUNED_WIDE_PRODUCT, &use, run->device, wide.options);
  return wide;
}

ReformerTensor *
reformer_product_pack (ReformerRun *run,
                       ReformerSpan w,
                       int          n,
                       int          k,
                       int          ldw,
                       gboolean     transpose)
{
  ReformerTensor *packed;
  Wide wide;
  gsize panels;

  if (!reformer_run_ok (run) || !reformer_device_is_wide (run->device))
    return NULL;
  wide = wide_for (run, WIDE_ROWS);
  panels = up (n, wide.nr);
  packed = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) panels, (gint64) k, (gint64) wide.nr);
  REFORMER_LAUNCH (run, WIDE_ROWS, wide.options, transpose ? "product_pack_transposed" : "product_pack",
                   reformer_grid_tiles (panels, up (k, KC), 1),
                   REFORMER_SPAN (w), REFORMER_SPAN (reformer_span (packed)), REFORMER_INT (n), REFORMER_INT (k), REFORMER_INT (ldw),
                   REFORMER_WORK (0, sizeof (float) * 2.0 * n * k));
  return packed;
}

/* m x n results of k terms each. */
static ReformerWork
work_of (const ReformerProduct *p)
{
  const double m = p->m, n = p->n, k = p->k;
  const int passes = (p->store == REFORMER_STORE_SET ? 1 : 2) + (p->epilogue != NULL && p->epilogue->before.tensor != NULL);

  return (ReformerWork) { 2 * m * n * k, sizeof (float) * (m * k + n * k + passes * m * n) };
}

/* A kernel's arguments are followed by those of an epilogue, where there is one; WORK comes before these. */
typedef struct
{
  char            family[96];
  char            options[REFORMER_TUNING_OPTIONS + 48];
  ReformerRows    rows;
  ReformerDropout dropout;
  ReformerSpan    before;
  int             way; /* as in the kernels */
} Ending;

#define N_ENDING_ARGS 6
#define ENDING_ARGS(e)                                                                                                       \
  REFORMER_INT ((e)->way), REFORMER_ULONG ((e)->rows.first), REFORMER_INT ((e)->rows.T), REFORMER_DROPOUT_ARGS (&(e)->dropout)

static Ending
ending_of (const ReformerProduct *p,
           const char            *family,
           const char            *options)
{
  const ReformerEpilogue *epilogue = p->epilogue;
  Ending ending = { .rows = { 0, 0, 1 }, .dropout = REFORMER_NO_DROPOUT, .before = REFORMER_NOTHING };

  if (epilogue == NULL)
    {
      g_strlcpy (ending.family, family, sizeof ending.family);
      g_strlcpy (ending.options, options, sizeof ending.options);
      return ending;
    }
  g_snprintf (ending.family, sizeof ending.family, FUNCTIONS "%s", family);
  g_snprintf (ending.options, sizeof ending.options, "%s %s", options, reformer_activation_options (epilogue->activation));
  ending.rows = reformer_dropout_rows (epilogue->rows, epilogue->dropout);
  ending.dropout = *epilogue->dropout;
  ending.before = epilogue->before;
  ending.way = epilogue->backward ? 2 : epilogue->before.tensor != NULL ? 1 : 0;
  return ending;
}

static void
launch_with (ReformerRun           *run,
             const ReformerProduct *p,
             const Ending          *ending,
             const char            *name,
             ReformerGrid           grid,
             const ReformerArg     *args,
             guint                  n_args,
             guint                  n_of_ending)
{
  reformer_launch_full (run, ending->family, ending->options, name, grid, args, p->epilogue != NULL ? n_args : n_args - n_of_ending);
}

/* `sums` takes what an ADD or SUBTRACT cannot add yet while passes are to come. */
#define WIDE_LAUNCH(run, p, ending, sums, name, grid, ...)                                                                                 \
  launch_with ((run), (p), (ending), (name), (grid),                                                                                      \
               (const ReformerArg[]) { __VA_ARGS__, REFORMER_WORK_OF (work_of (p)), REFORMER_SPAN ((ending)->before),                     \
                                       REFORMER_SPAN (reformer_span (sums)), ENDING_ARGS (ending) },                                      \
               sizeof ((const ReformerArg[]) { __VA_ARGS__ }) / sizeof (ReformerArg) + 3 + N_ENDING_ARGS, 2 + N_ENDING_ARGS)

static void
wide_rows_few (ReformerRun           *run,
               const Wide            *wide,
               const ReformerProduct *p,
               const Ending          *ending)
{
  WIDE_LAUNCH (run, p, ending, NULL, p->transpose ? "product_few_transposed" : "product_few",
               reformer_grid_tiles (up (p->n, p->transpose ? wide->nr / 2 : wide->nr), 1, 1),
               REFORMER_SPAN (p->x), REFORMER_SPAN (p->w), REFORMER_SPAN (p->bias), REFORMER_SPAN (p->y),
               REFORMER_INT (p->m), REFORMER_INT (p->n), REFORMER_INT (p->k),
               REFORMER_INT (p->ldx), REFORMER_INT (p->ldw), REFORMER_INT (p->ldy),
               REFORMER_INT (p->store), REFORMER_INT (p->bias.tensor != NULL));
}

/* Rows that a group of product_rows_norm normalises before it goes through the panels: what local memory holds. */
static gsize
norm_rows (ReformerRun *run,
           const Wide  *wide)
{
  const gsize row = sizeof (float) * (KC + 16);

  return MIN (NORM_ROWS, reformer_device_get_local_memory (run->device) / row) / wide->mr * wide->mr;
}

#define NORM_SPANS(norm)                                                                                                        \
  REFORMER_SPAN ((norm)->x1), REFORMER_SPAN ((norm)->x2), REFORMER_INT ((norm)->ldx), REFORMER_INT ((norm)->width),              \
  REFORMER_INT ((norm)->x2.tensor != NULL ? 2 : 1), REFORMER_SPAN ((norm)->weight), REFORMER_SPAN ((norm)->bias), REFORMER_FLOAT ((norm)->eps)

static void
wide_rows (ReformerRun           *run,
           const ReformerProduct *p)
{
  Wide wide = wide_for (run, WIDE_ROWS);
  const gsize m = p->m, panels = up (p->n, wide.nr);
  g_autoptr (ReformerTensor) own = NULL;
  g_autoptr (ReformerTensor) sums = NULL;
  ReformerTensor *packed = p->packed;
  gsize tile, tiles, rows, columns;
  Ending ending;

  if (p->norm == NULL)
    ending = ending_of (p, WIDE_ROWS, wide.options);
  else
    {
      char options[REFORMER_TUNING_OPTIONS + 24];

      g_snprintf (options, sizeof options, "%s -DNORM_ROWS=%" G_GSIZE_FORMAT, wide.options, norm_rows (run, &wide));
      ending = ending_of (p, WIDE_NORM, options);
    }
  if (m <= REFORMER_FEW_ROWS)
    {
      wide_rows_few (run, &wide, p, &ending);
      return;
    }
  if (packed == NULL)
    packed = own = reformer_product_pack (run, p->w, p->n, p->k, p->ldw, p->transpose);
  if (p->epilogue != NULL && p->store != REFORMER_STORE_SET && p->k > KC)
    sums = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) m, (gint64) p->n);
  /* Panels of one share stay in the second-level cache. There are shares enough, and a multiple of the units, for all units to end at about the same time.
   * With a norm a share has all panels, and takes them by as many as that cache holds, so that no row is normalised twice where there are enough of them. */
  tile = m > 12 && m <= 16 ? (wide.mr == 12 ? 8 : 6) : wide.mr;
  tiles = up (m, tile);
  columns = panels * wide.nr <= 384 || p->norm != NULL ? 1 : up (panels, 256 / wide.nr);
  rows = MIN (tiles, up (MAX (up (tiles, 8), up (8 * wide.units, columns)), wide.units) * wide.units);
  while (columns < panels && rows * columns < 4 * wide.units)
    columns = MIN (2 * columns, panels);
  if (p->norm == NULL)
    WIDE_LAUNCH (run, p, &ending, sums, "product_rows", reformer_grid_shared (run->device, rows, columns, 1),
                 REFORMER_SPAN (p->x), REFORMER_SPAN (reformer_span (packed)), REFORMER_SPAN (p->bias), REFORMER_SPAN (p->y),
                 REFORMER_INT (p->m), REFORMER_INT (p->n), REFORMER_INT (p->k), REFORMER_INT (p->ldx), REFORMER_INT (p->ldy),
                 REFORMER_INT (p->store), REFORMER_INT (p->bias.tensor != NULL), REFORMER_INT (tile));
  else
    WIDE_LAUNCH (run, p, &ending, sums, "product_rows_norm", reformer_grid_shared (run->device, rows, columns, 1),
                 NORM_SPANS (p->norm), REFORMER_SPAN (reformer_span (packed)), REFORMER_SPAN (p->bias), REFORMER_SPAN (p->y), REFORMER_INT (p->m), REFORMER_INT (p->n), REFORMER_INT (p->k), REFORMER_INT (p->ldy),
                 REFORMER_INT (p->store), REFORMER_INT (p->bias.tensor != NULL), REFORMER_INT (tile));
}

/* The simt dialect. */
typedef struct
{
  gsize side, tile;
  char  options[REFORMER_TUNING_OPTIONS];
} Simt;

/* Two tiles of side * (4 * side + 1) numbers. */
static gsize
simt_local (const int    *sizes,
            gconstpointer least)
{
  return 8 * (gsize) sizes[0] * (4 * sizes[0] + 1);
}

static gsize
simt_group (const int    *sizes,
            gconstpointer least)
{
  return (gsize) sizes[0] * sizes[0];
}

/* Small results have small tiles. */
static gboolean
simt_wanted (const int    *sizes,
             gconstpointer least)
{
  return sizes[0] <= 8 || *(const int *) least > 32;
}

static void
simt_options (const int    *sizes,
              gconstpointer least,
              char         *options,
              gsize         size)
{
  g_snprintf (options, size, "-DSIDE=%d", sizes[0]);
}

/* For a result of m x n. */
static Simt
simt_for (ReformerRun *run,
          int          m,
          int          n)
{
  static const ReformerTuningUse use = { "simt/product", simt_local, simt_group, simt_wanted, simt_options };
  const int least = MIN (m, n);
  Simt simt = { 1, 4, "" };
  const ReformerTuning *row = reformer_tuning_choose (run, REFORMER_TUNED_SIMT_PRODUCT, &use, &least, simt.options);

  if (row != NULL)
    simt.side = row->sizes[0];
  simt.tile = 4 * simt.side;
  return simt;
}

static void
simt_rows_plain (ReformerRun           *run,
                 const ReformerProduct *p)
{
  const Simt simt = simt_for (run, p->m, p->n);
  const Ending ending = ending_of (p, "simt/product", simt.options);
  const ReformerArg args[] = {
    REFORMER_SPAN (p->x), REFORMER_SPAN (p->w), REFORMER_SPAN (p->bias), REFORMER_SPAN (p->y),
    REFORMER_INT (p->m), REFORMER_INT (p->n), REFORMER_INT (p->k),
    REFORMER_INT (p->ldx), REFORMER_INT (p->ldw), REFORMER_INT (p->ldy),
    REFORMER_INT (p->transpose), REFORMER_INT (p->store), REFORMER_INT (p->bias.tensor != NULL),
    REFORMER_WORK_OF (work_of (p)), REFORMER_SPAN (ending.before), ENDING_ARGS (&ending),
  };

  launch_with (run, p, &ending, "product_rows", reformer_grid_groups (up (p->n, simt.tile), up (p->m, simt.tile), 1, simt.side, simt.side), args,
               G_N_ELEMENTS (args), 1 + N_ENDING_ARGS);
}

/* The weights' gradient stays with our kernel, which works on several blocks of tokens side by side: one block alone is too little for a GPU. */
gboolean
reformer_product_by_clblast (ReformerDevice *device,
                             int             n,
                             int             k)
{
  const char *wish = g_getenv ("REFORMER_CLBLAST");
  const gboolean on = g_strcmp0 (wish, "on") == 0;
  const int least = on ? 1 : 128;

  return reformer_clblast_available () && g_strcmp0 (wish, "off") != 0 && !reformer_device_is_wide (device) &&
         (on || reformer_device_get_kind (device) == REFORMER_DEVICE_KIND_GPU) && n >= least && k >= least && k <= CLBLAST_WIDEST;
}

/* The first `m` rows, whole blocks. Every block is a call of its own, so that a row's bits do not depend on how many blocks there are. */
static void
simt_rows_clblast (ReformerRun           *run,
                   const ReformerProduct *p,
                   gsize                  m)
{
  const gsize n = p->n, k = p->k, columns = MIN (n, MIN (CLBLAST_WIDEST, CLBLAST_WEIGHTS / k));
  const gsize elements = reformer_clblast_scratch (REFORMER_BLOCK, columns, k);
  g_autoptr (ReformerTensor) scratch = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 1, (gint64) elements);

  for (gsize j = 0; j < n; j += columns)
    for (gsize i = 0; i < m; i += REFORMER_BLOCK)
      if (!reformer_clblast_sgemm (run, FALSE, p->transpose, REFORMER_BLOCK, MIN (columns, n - j), k,
                                   p->store == REFORMER_STORE_SUBTRACT ? -1.0f : 1.0f, reformer_span_add (p->x, i * p->ldx), p->ldx,
                                   reformer_span_add (p->w, p->transpose ? j * p->ldw : j), p->ldw, p->store == REFORMER_STORE_SET ? 0.0f : 1.0f,
                                   reformer_span_add (p->y, i * p->ldy + j), p->ldy, scratch))
        return;
  if (p->bias.tensor != NULL)
    {
      ReformerProduct bias = *p;

      /* a sum of no terms, and the bias */
      bias.m = m;
      bias.k = 0;
      if (p->store == REFORMER_STORE_SET)
        bias.store = REFORMER_STORE_ADD;
      simt_rows_plain (run, &bias);
    }
}

/* CLBlast's products have no epilogue: it is a pass over what they leave. */
static void
simt_rows_clblast_epilogue (ReformerRun           *run,
                            const ReformerProduct *p,
                            gsize                  m)
{
  const ReformerEpilogue *epilogue = p->epilogue;
  const ReformerRows rows = { epilogue->rows->first, m, epilogue->rows->T };
  g_autoptr (ReformerTensor) scratch = NULL;
  ReformerProduct plain = *p;

  plain.epilogue = NULL;
  plain.store = REFORMER_STORE_SET;
  if (!epilogue->backward && epilogue->before.tensor != NULL)
    plain.y = epilogue->before;
  else if (p->store != REFORMER_STORE_SET)
    {
      scratch = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) m, (gint64) p->n);
      plain.y = reformer_span (scratch);
    }
  simt_rows_clblast (run, &plain, m);
  if (epilogue->backward)
    reformer_activation_backward (run, epilogue->activation, epilogue->before, p->y, p->y, p->n, &rows, epilogue->dropout);
  else
    reformer_activation_store (run, epilogue->activation, plain.y, p->y, p->n, &rows, epilogue->dropout, p->store);
}

static void
simt_rows (ReformerRun           *run,
           const ReformerProduct *p)
{
  const gsize blocks = p->m - p->m % REFORMER_BLOCK;
  ReformerProduct rest = *p;
  ReformerEpilogue epilogue;
  ReformerRows rows;

  if (blocks > 0 && reformer_product_by_clblast (run->device, p->n, p->k))
    {
      if (p->epilogue == NULL)
        simt_rows_clblast (run, p, blocks);
      else
        {
          simt_rows_clblast_epilogue (run, p, blocks);
          epilogue = *p->epilogue;
          rows = (ReformerRows) { epilogue.rows->first + blocks, epilogue.rows->count - blocks, epilogue.rows->T };
          epilogue.rows = &rows;
          epilogue.before = reformer_span_add (epilogue.before, epilogue.before.tensor != NULL ? blocks * p->n : 0);
          rest.epilogue = &epilogue;
        }
      rest.m -= blocks;
      rest.x = reformer_span_add (p->x, blocks * p->ldx);
      rest.y = reformer_span_add (p->y, blocks * p->ldy);
    }
  if (rest.m > 0)
    simt_rows_plain (run, &rest);
}

/* The norm as a pass before the product. */
static void
rows_of_norm (ReformerRun           *run,
              const ReformerProduct *p)
{
  g_autoptr (ReformerTensor) scratch = NULL;
  ReformerProduct product = *p;

  product.norm = NULL;
  product.ldx = p->k;
  product.x = p->u;
  if (p->u.tensor == NULL)
    product.x = reformer_span (scratch = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) p->m, (gint64) p->k));
  reformer_norm_forward (run, p->norm, p->m, product.x, p->k);
  reformer_product_rows (run, &product);
}

/* Whether the product itself normalises its rows. Not where they are few, and not where others want them too: they are written then in any case, and a product that reads
 * what was just written is faster than one that writes it. Not in the simt dialect: each of the many groups of a row of tiles would normalise it again, and CLBlast takes what lies in
 * memory. */
static gboolean
normalises (ReformerRun           *run,
            const ReformerProduct *p)
{
  return reformer_device_is_wide (run->device) && p->u.tensor == NULL && p->m > REFORMER_FEW_ROWS;
}

void
reformer_product_rows (ReformerRun           *run,
                       const ReformerProduct *product)
{
  if (product->m <= 0 || !reformer_run_ok (run))
    return;
  if (product->norm != NULL && !normalises (run, product))
    rows_of_norm (run, product);
  else if (reformer_device_is_wide (run->device))
    wide_rows (run, product);
  else
    simt_rows (run, product);
}

/* g[m,n] += parts[0] + ... in their order. */
static void
join (ReformerRun    *run,
      ReformerTensor *parts,
      ReformerSpan    g,
      int             m,
      int             n,
      int             ldg,
      gsize           blocks)
{
  const gboolean wide = reformer_device_is_wide (run->device);
  const Wide w = wide ? wide_for (run, WIDE_TOKENS) : (Wide) { 0 };
  const Simt s = wide ? (Simt) { 0 } : simt_for (run, m, n);

  REFORMER_LAUNCH (run, wide ? WIDE_TOKENS : "simt/product", wide ? w.options : s.options, "product_join",
                   wide ? reformer_grid_tiles (up (m, 8), up (n, 512), 1) : reformer_grid_items (run->device, n, m, 1),
                   REFORMER_SPAN (reformer_span (parts)), REFORMER_SPAN (g),
                   REFORMER_INT (m), REFORMER_INT (n), REFORMER_INT (ldg), REFORMER_INT (blocks),
                   REFORMER_WORK (0, sizeof (float) * (blocks + 2) * m * n));
}

/* The gradient of weights: either a share adds all blocks of its tile to g, or every block has shares of its own, whose sums are joined
 * afterwards. Both add the same numbers in the same order. */
static void
wide_tokens (ReformerRun *run,
             ReformerSpan y,
             int          ldy,
             ReformerSpan x,
             int          ldx,
             ReformerSpan g,
             int          ldg,
             int          m,
             int          n,
             gsize        t)
{
  const Wide wide = wide_for (run, WIDE_TOKENS);
  const gsize at_once = blocks_at_once ((gsize) m * n, t);
  /* Copying a tile's operands is for nothing only where the tile is large; what is too few for the units is split. */
  const gboolean side = at_once > 1 && up (m, 264) * up (n, 256) < 4 * wide.units;
  const gsize step = side ? at_once * REFORMER_BLOCK : t;
  g_autoptr (ReformerTensor) parts = NULL;
  gsize rows = up (m, side ? 1032 : 264), columns = up (n, side ? 1024 : 256), mb, nb;

  /* as many shares as keep all units busy to the end, and no more: small tiles are slower */
  for (;;)
    {
      const gsize shares = rows * columns * (side ? at_once : 1);

      mb = up (up (m, wide.mr), rows) * wide.mr;
      nb = up (up (n, wide.nr), columns) * wide.nr;
      if (shares % wide.units == 0 || shares >= 4 * wide.units || mb * nb <= 24 * 32)
        break;
      if (mb >= nb)
        rows = MIN (rows + 1, up (m, wide.mr));
      else
        columns = MIN (columns + 1, up (n, wide.nr));
    }
  if (side)
    parts = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) at_once, (gint64) m, (gint64) n);
  else
    /* a block of one pass needs no place for its sum */
    parts = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 1, (gint64) (t <= TC ? 1 : rows * columns * mb * nb));
  for (gsize first = 0; first < t; first += step)
    {
      const gsize tokens = MIN (step, t - first), blocks = up (tokens, REFORMER_BLOCK);

      REFORMER_LAUNCH (run, WIDE_TOKENS, wide.options, "product_tokens",
                       reformer_grid_shared (run->device, rows, columns, side ? blocks : 1),
                       REFORMER_SPAN (reformer_span_add (y, first * ldy)), REFORMER_SPAN (reformer_span_add (x, first * ldx)),
                       REFORMER_SPAN (reformer_span (parts)), REFORMER_SPAN (g),
                       REFORMER_INT (m), REFORMER_INT (n), REFORMER_ULONG (tokens),
                       REFORMER_INT (ldy), REFORMER_INT (ldx), REFORMER_INT (ldg),
                       REFORMER_INT (mb), REFORMER_INT (nb), REFORMER_INT (side),
                       REFORMER_WORK (2.0 * m * n * tokens, sizeof (float) * (1.0 * tokens * ((double) m + n) + (side ? (double) blocks : 2.0) * m * n)));
      if (side)
        join (run, parts, g, m, n, ldg, blocks);
    }
}

static void
simt_tokens (ReformerRun *run,
             ReformerSpan y,
             int          ldy,
             ReformerSpan x,
             int          ldx,
             ReformerSpan g,
             int          ldg,
             int          m,
             int          n,
             gsize        t)
{
  const Simt simt = simt_for (run, m, n);
  const gsize rows = up (m, simt.tile), columns = up (n, simt.tile);
  const gboolean side = t > REFORMER_BLOCK && rows * columns < 4 * (gsize) reformer_device_get_compute_units (run->device);
  const gsize step = side ? blocks_at_once ((gsize) m * n, t) * REFORMER_BLOCK : t;
  g_autoptr (ReformerTensor) parts = NULL;

  if (side)
    parts = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 3, (gint64) (step / REFORMER_BLOCK), (gint64) m, (gint64) n);
  for (gsize first = 0; first < t; first += step)
    {
      const gsize tokens = MIN (step, t - first), blocks = up (tokens, REFORMER_BLOCK);

      REFORMER_LAUNCH (run, "simt/product", simt.options, "product_tokens",
                       reformer_grid_groups (columns, rows, side ? blocks : 1, simt.side, simt.side),
                       REFORMER_SPAN (reformer_span_add (y, first * ldy)), REFORMER_SPAN (reformer_span_add (x, first * ldx)),
                       REFORMER_SPAN (side ? reformer_span (parts) : REFORMER_NOTHING), REFORMER_SPAN (g),
                       REFORMER_INT (m), REFORMER_INT (n), REFORMER_ULONG (tokens),
                       REFORMER_INT (ldy), REFORMER_INT (ldx), REFORMER_INT (ldg), REFORMER_INT (side),
                       REFORMER_WORK (2.0 * m * n * tokens, sizeof (float) * (1.0 * tokens * ((double) m + n) + (side ? (double) blocks : 2.0) * m * n)));
      if (side)
        join (run, parts, g, m, n, ldg, blocks);
    }
}

void
reformer_product_tokens (ReformerRun *run,
                         ReformerSpan y,
                         int          ldy,
                         ReformerSpan x,
                         int          ldx,
                         ReformerSpan g,
                         int          ldg,
                         int          m,
                         int          n,
                         gsize        t)
{
  if (t == 0 || !reformer_run_ok (run))
    return;
  if (reformer_device_is_wide (run->device))
    wide_tokens (run, y, ldy, x, ldx, g, ldg, m, n, t);
  else
    simt_tokens (run, y, ldy, x, ldx, g, ldg, m, n, t);
}

/* The groups share the columns, so that a column's sum goes straight to g. */
static void
wide_sum (ReformerRun *run,
          ReformerSpan x,
          int          ldx,
          ReformerSpan g,
          int          n,
          gsize        t)
{
  const Wide wide = wide_for (run, WIDE_TOKENS);
  const gsize vector = wide.nr / 2, strip = MAX (up (n, vector) / (2 * wide.units), 1) * vector;

  REFORMER_LAUNCH (run, WIDE_TOKENS, wide.options, "product_sum", reformer_grid_tiles (up (n, strip), 1, 1),
                   REFORMER_SPAN (x), REFORMER_SPAN (g), REFORMER_INT (n), REFORMER_ULONG (t), REFORMER_INT (ldx), REFORMER_INT (strip),
                   REFORMER_WORK (0, sizeof (float) * t * n));
}

static void
simt_sum (ReformerRun *run,
          ReformerSpan x,
          int          ldx,
          ReformerSpan g,
          int          n,
          gsize        t)
{
  const Simt simt = simt_for (run, 1, n);
  const gsize step = blocks_at_once (n, t) * REFORMER_BLOCK;
  g_autoptr (ReformerTensor) parts = reformer_run_new (run, REFORMER_DTYPE_FLOAT32, 2, (gint64) (step / REFORMER_BLOCK), (gint64) n);

  for (gsize first = 0; first < t; first += step)
    {
      const gsize tokens = MIN (step, t - first), blocks = up (tokens, REFORMER_BLOCK);

      REFORMER_LAUNCH (run, "simt/product", simt.options, "product_sum", reformer_grid_groups (up (n, simt.side), blocks, 1, simt.side, simt.side),
                       REFORMER_SPAN (reformer_span_add (x, first * ldx)), REFORMER_SPAN (reformer_span (parts)),
                       REFORMER_INT (n), REFORMER_ULONG (tokens), REFORMER_INT (ldx),
                       REFORMER_WORK (0, sizeof (float) * tokens * n));
      join (run, parts, g, 1, n, n, blocks);
    }
}

void
reformer_product_sum (ReformerRun *run,
                      ReformerSpan x,
                      int          ldx,
                      ReformerSpan g,
                      int          n,
                      gsize        t)
{
  if (t == 0 || !reformer_run_ok (run))
    return;
  if (reformer_device_is_wide (run->device))
    wide_sum (run, x, ldx, g, n, t);
  else
    simt_sum (run, x, ldx, g, n, t);
}
