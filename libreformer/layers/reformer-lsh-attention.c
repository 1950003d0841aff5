/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "layers/lsh-attention-private.h"

#include "layers/attention-private.h"
#include "compute/home.h"
#include "ops/hash.h"

/**
 * ReformerLshAttention:
 *
 * Attention by locality-sensitive hashing (Kitaev, Kaiser, Levskaya, "Reformer: the efficient Transformer", 2020): tokens are hashed into buckets by random
 * rotations, sorted by bucket, and a token looks at those in its own chunk of that order and in neighbouring ones. Queries are the keys; several rounds of
 * hashing are joined by their log-sum-exps.
 *
 * The rotations are drawn once, by the seed of the first tape, and are saved with the layer as `self_attention.rotations`, `[A, d, rounds, columns]`, with as many
 * rounds as training or evaluation has, whichever has more. A pass from which no gradient can come is evaluation.
 *
 * ```python
 * attention = Reformer.LshAttention(device=device, hidden_size=32, num_attention_heads=2, attention_head_size=16, chunk_length=16)
 * tape = Reformer.Tape(device=device)
 * y = attention.forward(x, tape)
 * dx = attention.backward(y, tape)
 * ```
 */

/* Buckets are counted in 16 bits, and padding takes one more. */
#define MAX_BUCKETS 65535

struct _ReformerLshAttention
{
  ReformerAttention  parent_instance;

  int                num_hashes;
  int                num_hashes_evaluation; /* -1: the same */
  int                n_factors;
  int                factors[REFORMER_MAX_FACTORS];
  gint64             n_buckets; /* product of the factors; 0: they do not fit */
  char              *problem;   /* why not */
  ReformerParameter *rotations; /* borrowed from the layer */
};

enum
{
  PROP_0,
  PROP_NUM_HASHES,
  PROP_NUM_HASHES_EVALUATION,
  PROP_NUM_BUCKETS,
  PROP_EXACT,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerLshAttention, reformer_lsh_attention, REFORMER_TYPE_ATTENTION)

/* ---- Hashing and sorting, for the attention block ---- */

static int
evaluation_rounds (ReformerLshAttention *self)
{
  return self->num_hashes_evaluation > 0 ? self->num_hashes_evaluation : self->num_hashes;
}

/* Rounds that there are rotations for: those of evaluation extend those of training, or are the first of them. */
static int
max_rounds (ReformerLshAttention *self)
{
  return MAX (self->num_hashes, evaluation_rounds (self));
}

/* Of a pass whose gradient may be asked for. */
static gsize
n_buckets (ReformerAttention           *attention,
           const ReformerAttentionPass *pass)
{
  if (pass->T <= pass->chunk)
    return 0;
  return (gsize) attention->heads * (gsize) REFORMER_LSH_ATTENTION (attention)->num_hashes * (gsize) pass->B * (gsize) pass->T;
}

static void
begin (ReformerAttention     *attention,
       ReformerAttentionPass *pass,
       ReformerTape          *tape)
{
  ReformerLshAttention *self = REFORMER_LSH_ATTENTION (attention);
  ReformerRun *run = reformer_tape_get_run (tape);
  const int rounds = reformer_tape_get_record (tape) == REFORMER_RECORD_NOTHING ? evaluation_rounds (self) : self->num_hashes;
  const char *part;

  if (self->problem != NULL)
    {
      reformer_run_fail (run, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_CONFIG, "%s", self->problem);
      return;
    }
  if (n_buckets (attention, pass) == 0)
    return;
  part = reformer_run_part (run, "buckets");
  pass->buckets = reformer_run_new (run, REFORMER_DTYPE_UINT16, 4, (gint64) attention->heads, (gint64) rounds, (gint64) pass->B, (gint64) pass->T);
  reformer_run_part (run, part);
}

ReformerHash
reformer_lsh_attention_hash (ReformerLshAttention *self,
                             ReformerRun          *run,
                             int                   first_head,
                             int                   rounds)
{
  ReformerAttention *attention = REFORMER_ATTENTION (self);
  ReformerHash hash = { .heads = attention->heads - first_head, .head_size = attention->head_size, .rounds = rounds, .max_rounds = max_rounds (self),
                        .n_factors = self->n_factors };
  int columns = 0;

  memcpy (hash.factors, self->factors, sizeof hash.factors);
  for (int i = 0; i < self->n_factors; i++)
    columns += self->factors[i] / 2;
  hash.rotations = reformer_parameter_value (self->rotations, run, (gsize) first_head * attention->head_size * max_rounds (self) * columns);
  return hash;
}

int
reformer_lsh_attention_get_rounds (ReformerLshAttention *self)
{
  return evaluation_rounds (self);
}

int
reformer_lsh_attention_count_buckets (ReformerLshAttention *self)
{
  return self->problem == NULL ? (int) self->n_buckets : 0;
}

static ReformerTensor *
order (ReformerAttention     *attention,
       ReformerAttentionPass *pass,
       ReformerAttentionArgs *args,
       ReformerTape          *tape)
{
  ReformerLshAttention *self = REFORMER_LSH_ATTENTION (attention);
  ReformerRun *run = reformer_tape_get_run (tape);
  const gsize tokens = (gsize) attention->heads * pass->B * pass->T;
  ReformerSpan buckets;
  ReformerTensor *places;
  gsize per_head;
  int rounds;

  if (pass->buckets == NULL)
    return NULL;
  rounds = (int) (reformer_tensor_get_n_elements (pass->buckets) / tokens);
  per_head = (gsize) rounds * pass->B * pass->T;
  buckets = reformer_at (pass->buckets, args->first_head * per_head);
  if (!pass->chosen)
    {
      ReformerHash hash = reformer_lsh_attention_hash (self, run, args->first_head, rounds);

      hash.heads = args->heads;
      hash.rows = pass->B;
      hash.T = pass->T;
      hash.stride = args->stride;
      hash.x = args->q;
      hash.mask = pass->mask;
      reformer_hash (run, &hash, buckets);
    }
  places = reformer_run_new (run, REFORMER_DTYPE_INT32, 4, (gint64) args->heads, (gint64) rounds, (gint64) pass->B, (gint64) pass->T);
  if (places != NULL)
    reformer_sort_buckets (run, buckets, (gsize) pass->T, (gsize) args->heads * rounds * pass->B, pass->T,
                           (int) self->n_buckets + (pass->mask.tensor != NULL), reformer_span (places));
  args->order = reformer_span (places);
  args->rounds = rounds;
  return places;
}

static const ReformerAttentionKind lsh_kind = { TRUE, TRUE, begin, n_buckets, order };

/* ---- Object ---- */

static void
set_factors (ReformerLshAttention *self,
             GVariant             *list)
{
  gsize n = 0;
  const gint32 *factors = list != NULL ? g_variant_get_fixed_array (list, &n, sizeof *factors) : NULL;

  g_clear_pointer (&self->problem, g_free);
  self->n_factors = 0;
  self->n_buckets = 1;
  if (n < 1 || n > REFORMER_MAX_FACTORS)
    self->problem = g_strdup_printf ("num-buckets has %" G_GSIZE_FORMAT " factors; wanted 1 to %d", n, REFORMER_MAX_FACTORS);
  for (gsize i = 0; i < n && self->problem == NULL; i++)
    {
      if (factors[i] < 2 || factors[i] % 2 != 0)
        self->problem = g_strdup_printf ("num-buckets has the factor %d; wanted an even number, such as %d", factors[i], MAX (2, factors[i] + (factors[i] & 1)));
      else if ((self->n_buckets *= factors[i]) > MAX_BUCKETS - 1)
        self->problem = g_strdup_printf ("num-buckets makes %" G_GINT64_FORMAT " buckets; wanted at most %d", self->n_buckets, MAX_BUCKETS - 1);
      else
        self->factors[self->n_factors++] = factors[i];
    }
}

/* Rotations for these rounds and buckets; those of factors that do not fit are told of by the first use. */
static void
size_rotations (ReformerLshAttention *self)
{
  ReformerAttention *attention = REFORMER_ATTENTION (self);
  gint64 columns = 0;

  for (int i = 0; i < self->n_factors; i++)
    columns += self->factors[i] / 2;
  if (self->rotations != NULL)
    reformer_parameter_set_shape (self->rotations, (gint64[]) { attention->heads, attention->head_size, max_rounds (self), MAX (columns, 1) }, 4);
}

void
reformer_lsh_attention_change_buckets (ReformerLshAttention *self,
                                       const int            *factors,
                                       gsize                 n_factors)
{
  g_autoptr (GVariant) list = g_variant_ref_sink (g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, factors, n_factors, sizeof *factors));

  set_factors (self, list);
  size_rotations (self);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_NUM_BUCKETS]);
}

static void
reformer_lsh_attention_constructed (GObject *object)
{
  ReformerLshAttention *self = REFORMER_LSH_ATTENTION (object);

  G_OBJECT_CLASS (reformer_lsh_attention_parent_class)->constructed (object);
  REFORMER_ATTENTION (self)->circular = TRUE; /* all rounds form one ring */
  self->rotations = reformer_layer_make_buffer (REFORMER_LAYER (self), "self_attention.rotations", (ReformerStart) { .deviation = 1, .by_round = TRUE }, 0);
  size_rotations (self);
}

static void
reformer_lsh_attention_finalize (GObject *object)
{
  ReformerLshAttention *self = REFORMER_LSH_ATTENTION (object);

  g_free (self->problem);
  G_OBJECT_CLASS (reformer_lsh_attention_parent_class)->finalize (object);
}

static void
reformer_lsh_attention_get_property (GObject    *object,
                                     guint       id,
                                     GValue     *value,
                                     GParamSpec *pspec)
{
  ReformerLshAttention *self = REFORMER_LSH_ATTENTION (object);

  switch (id)
    {
    case PROP_NUM_HASHES:
      g_value_set_int (value, self->num_hashes);
      break;
    case PROP_NUM_HASHES_EVALUATION:
      g_value_set_int (value, self->num_hashes_evaluation);
      break;
    case PROP_NUM_BUCKETS:
      g_value_set_variant (value, g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, self->factors, (gsize) self->n_factors, sizeof (gint32)));
      break;
    case PROP_EXACT:
      g_value_set_boolean (value, REFORMER_ATTENTION (self)->exact);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_lsh_attention_set_property (GObject      *object,
                                     guint         id,
                                     const GValue *value,
                                     GParamSpec   *pspec)
{
  ReformerLshAttention *self = REFORMER_LSH_ATTENTION (object);

  if (id == PROP_EXACT)
    {
      reformer_lsh_attention_set_exact (self, g_value_get_boolean (value));
      return;
    }
  if (!reformer_layer_may_set (REFORMER_LAYER (object), pspec))
    return;
  switch (id)
    {
    case PROP_NUM_HASHES:
      self->num_hashes = g_value_get_int (value);
      size_rotations (self);
      break;
    case PROP_NUM_HASHES_EVALUATION:
      self->num_hashes_evaluation = g_value_get_int (value);
      size_rotations (self);
      break;
    case PROP_NUM_BUCKETS:
      set_factors (self, g_value_get_variant (value));
      size_rotations (self);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_lsh_attention_class_init (ReformerLshAttentionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = REFORMER_LAYER_SETTING;
  const gint32 default_buckets = 64;

  reformer_home_own (klass);
  object_class->constructed = reformer_lsh_attention_constructed;
  object_class->finalize = reformer_lsh_attention_finalize;
  object_class->get_property = reformer_lsh_attention_get_property;
  object_class->set_property = reformer_lsh_attention_set_property;
  REFORMER_ATTENTION_CLASS (klass)->kind = &lsh_kind;

  /**
   * ReformerLshAttention:num-hashes:
   *
   * Rounds of hashing.
   */
  props[PROP_NUM_HASHES] = g_param_spec_int ("num-hashes", NULL, NULL, 1, 1024, 1, flags);
  /**
   * ReformerLshAttention:num-hashes-evaluation:
   *
   * Rounds of hashing where no gradient can be asked for; -1 (or 0): as many as in training. More rounds extend those of training.
   */
  props[PROP_NUM_HASHES_EVALUATION] = g_param_spec_int ("num-hashes-evaluation", NULL, NULL, -1, 1024, -1, flags);
  /**
   * ReformerLshAttention:num-buckets:
   *
   * Number of buckets as a list of even factors: `[64]`, or `[8, 16]` for 128 buckets that cost 12 columns of rotations and not 64.
   */
  props[PROP_NUM_BUCKETS] = g_param_spec_variant ("num-buckets", NULL, NULL, G_VARIANT_TYPE ("ai"),
                                                  g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, &default_buckets, 1, sizeof default_buckets), flags);
  /**
   * ReformerLshAttention:exact:
   *
   * Whether outside training nothing is hashed, and each token sees all others: the attention that the rounds of hashing approximate, with the same weights. The work
   * then grows with the square of the length. Can be changed at any time, but not between a forward pass and its backward pass.
   */
  props[PROP_EXACT] = g_param_spec_boolean ("exact", NULL, NULL, FALSE, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_lsh_attention_init (ReformerLshAttention *self)
{
}

/**
 * reformer_lsh_attention_new:
 * @device: the device that holds the parameters
 * @hidden_size: width H of input and output
 * @num_attention_heads: number of heads A
 * @attention_head_size: size d of a head
 *
 * Makes a new LSH attention layer.
 *
 * Returns: (transfer full): a new LSH attention layer
 */
ReformerLshAttention *
reformer_lsh_attention_new (ReformerDevice *device,
                            int             hidden_size,
                            int             num_attention_heads,
                            int             attention_head_size)
{
  return g_object_new (REFORMER_TYPE_LSH_ATTENTION, "device", device, "hidden-size", hidden_size, "num-attention-heads", num_attention_heads,
                       "attention-head-size", attention_head_size, NULL);
}

/**
 * reformer_lsh_attention_get_num_hashes:
 * @self: an LSH attention layer
 *
 * Gets rounds of hashing.
 *
 * Returns: rounds of hashing
 */
int
reformer_lsh_attention_get_num_hashes (ReformerLshAttention *self)
{
  g_return_val_if_fail (REFORMER_IS_LSH_ATTENTION (self), 0);

  return self->num_hashes;
}

/**
 * reformer_lsh_attention_get_num_hashes_evaluation:
 * @self: an LSH attention layer
 *
 * Gets rounds of hashing where no gradient can be asked for; -1: as many as in training.
 *
 * Returns: rounds of hashing in evaluation, or -1
 */
int
reformer_lsh_attention_get_num_hashes_evaluation (ReformerLshAttention *self)
{
  g_return_val_if_fail (REFORMER_IS_LSH_ATTENTION (self), -1);

  return self->num_hashes_evaluation;
}

/**
 * reformer_lsh_attention_get_num_buckets:
 * @self: an LSH attention layer
 * @n_factors: (out): number of factors
 *
 * Gets the factors of the number of buckets.
 *
 * Returns: (array length=n_factors) (transfer full): the factors of the number of buckets
 */
int *
reformer_lsh_attention_get_num_buckets (ReformerLshAttention *self,
                                        gsize                *n_factors)
{
  g_return_val_if_fail (REFORMER_IS_LSH_ATTENTION (self), NULL);
  g_return_val_if_fail (n_factors != NULL, NULL);

  *n_factors = (gsize) self->n_factors;
  return g_memdup2 (self->factors, (gsize) self->n_factors * sizeof *self->factors);
}

/**
 * reformer_lsh_attention_set_num_buckets:
 * @self: an LSH attention layer that has not been used
 * @num_buckets: (array length=n_factors) (nullable): even factors of the number of buckets
 * @n_factors: number of factors
 *
 * Sets the factors of the number of buckets. It is too late for this once [property@Layer:fixed] is %TRUE.
 */
void
reformer_lsh_attention_set_num_buckets (ReformerLshAttention *self,
                                        const int            *num_buckets,
                                        gsize                 n_factors)
{
  g_return_if_fail (REFORMER_IS_LSH_ATTENTION (self));
  g_return_if_fail (num_buckets != NULL || n_factors == 0);

  g_object_set (self, "num-buckets", g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, num_buckets, n_factors, sizeof *num_buckets), NULL);
}

/**
 * reformer_lsh_attention_get_exact:
 * @self: an LSH attention layer
 *
 * Gets whether outside training each token sees all others.
 *
 * Returns: whether outside training each token sees all others
 */
gboolean
reformer_lsh_attention_get_exact (ReformerLshAttention *self)
{
  g_return_val_if_fail (REFORMER_IS_LSH_ATTENTION (self), FALSE);

  return REFORMER_ATTENTION (self)->exact;
}

/**
 * reformer_lsh_attention_set_exact:
 * @self: an LSH attention layer
 * @exact: whether outside training each token sees all others
 *
 * Sets whether outside training nothing is hashed, and each token sees all others: what hashing costs is the difference.
 */
void
reformer_lsh_attention_set_exact (ReformerLshAttention *self,
                                  gboolean              exact)
{
  g_return_if_fail (REFORMER_IS_LSH_ATTENTION (self));

  if (REFORMER_ATTENTION (self)->exact == exact)
    return;
  REFORMER_ATTENTION (self)->exact = exact;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_EXACT]);
}
