/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "foreign-data.h"

#include "compute/home.h"

#define CALM 50000 /* microseconds */

/* ---- Tokenizer ---- */

G_DEFINE_TYPE (TestTokenizer, test_tokenizer, reformer_tokenizer_get_type ())

static GBytes *
answer (TestTokenizer *self,
        GByteArray    *result,
        GError       **error)
{
  self->thread = g_thread_self ();
  if (self->way == TEST_ERROR || self->way == TEST_BOTH)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "the tokenizer has an error");
  if (self->way != TEST_ERROR && self->way != TEST_NOTHING)
    return g_byte_array_free_to_bytes (result);
  g_byte_array_unref (result);
  return NULL;
}

static GBytes *
test_tokenizer_encode (ReformerTokenizer *tokenizer,
                       GBytes            *text,
                       GError           **error)
{
  TestTokenizer *self = (TestTokenizer *) tokenizer;
  GByteArray *ids = g_byte_array_new ();
  gsize n;
  const guint8 *bytes = g_bytes_get_data (text, &n);

  g_atomic_int_inc (&self->n_calls);
  for (gsize i = 0; i < n; i++)
    {
      gint32 id = g_ascii_islower (bytes[i]) ? bytes[i] - 'a' : 26;

      if (i == n - 1 && self->way == TEST_BEYOND)
        id = 27;
      if (i == n - 1 && self->way == TEST_BELOW)
        id = -1;
      g_byte_array_append (ids, (const guint8 *) &id, i == n - 1 && self->way == TEST_ODD ? 3 : sizeof id);
    }
  return answer (self, ids, error);
}

static GBytes *
test_tokenizer_decode (ReformerTokenizer *tokenizer,
                       GBytes            *ids,
                       GError           **error)
{
  GByteArray *bytes = g_byte_array_new ();
  gsize n;
  const gint32 *values = g_bytes_get_data (ids, &n);

  for (gsize i = 0; i < n / sizeof *values; i++)
    g_byte_array_append (bytes, (const guint8 *) (values[i] < 26 ? &"abcdefghijklmnopqrstuvwxyz"[values[i]] : "?"), 1);
  return answer ((TestTokenizer *) tokenizer, bytes, error);
}

static int
test_tokenizer_count_ids (ReformerTokenizer  *tokenizer,
                          GError            **error)
{
  TestTokenizer *self = (TestTokenizer *) tokenizer;

  self->thread = g_thread_self ();
  if (self->counting_fails)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "count_ids has an error");
  return self->n_ids;
}

static char *
test_tokenizer_identify (ReformerTokenizer  *tokenizer,
                         GError            **error)
{
  if (!((TestTokenizer *) tokenizer)->counting_fails)
    return REFORMER_TOKENIZER_CLASS (test_tokenizer_parent_class)->identify (tokenizer, error);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "identify has an error");
  return NULL;
}

static void
test_tokenizer_class_init (TestTokenizerClass *klass)
{
  ReformerTokenizerClass *tokenizer_class = REFORMER_TOKENIZER_CLASS (klass);

  tokenizer_class->encode = test_tokenizer_encode;
  tokenizer_class->decode = test_tokenizer_decode;
  tokenizer_class->count_ids = test_tokenizer_count_ids;
  tokenizer_class->identify = test_tokenizer_identify;
}

static void
test_tokenizer_init (TestTokenizer *self)
{
  self->n_ids = 27;
}

TestTokenizer *
test_tokenizer_new (TestWay way)
{
  TestTokenizer *self = g_object_new (test_tokenizer_get_type (), NULL);

  self->way = way;
  return self;
}

/* ---- Data set ---- */

G_DEFINE_TYPE (TestDataset, test_dataset, reformer_dataset_get_type ())

static void
test_dataset_finalize (GObject *object)
{
  g_clear_object (&((TestDataset *) object)->sample);
  G_OBJECT_CLASS (test_dataset_parent_class)->finalize (object);
}

/* Whether there is a result; may set the error. */
static gboolean
has_result (TestDataset *self,
            GError     **error)
{
  self->thread = g_thread_self ();
  if (self->way == TEST_ERROR || self->way == TEST_BOTH)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "the data set has an error");
  return self->way != TEST_ERROR && self->way != TEST_NOTHING;
}

static gint64
test_dataset_count_samples (ReformerDataset *dataset,
                            int              length,
                            GError         **error)
{
  TestDataset *self = (TestDataset *) dataset;

  if (!has_result (self, error))
    return -1;
  return self->way == TEST_BELOW ? -3 : 10;
}

static ReformerSample *
test_dataset_read_sample (ReformerDataset *dataset,
                          gint64           index,
                          int              length,
                          GError         **error)
{
  TestDataset *self = (TestDataset *) dataset;
  g_autofree int *ids = g_new (int, length);

  if (!has_result (self, error))
    return NULL;
  if (self->sample != NULL)
    return g_object_ref (self->sample);
  for (int i = 0; i < length; i++)
    ids[i] = 1;
  return reformer_sample_new_from_ids (ids, length);
}

static ReformerDataset *
test_dataset_get_held_out (ReformerDataset  *dataset,
                           GError          **error)
{
  return has_result ((TestDataset *) dataset, error) ? g_object_ref (dataset) : NULL;
}

static char *
test_dataset_identify (ReformerDataset *dataset,
                       GError         **error)
{
  return has_result ((TestDataset *) dataset, error) ? g_strdup ("ten samples of ones") : NULL;
}

static void
test_dataset_class_init (TestDatasetClass *klass)
{
  ReformerDatasetClass *dataset_class = REFORMER_DATASET_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = test_dataset_finalize;
  dataset_class->count_samples = test_dataset_count_samples;
  dataset_class->read_sample = test_dataset_read_sample;
  dataset_class->get_held_out = test_dataset_get_held_out;
  dataset_class->identify = test_dataset_identify;
}

static void
test_dataset_init (TestDataset *self)
{
}

TestDataset *
test_dataset_new (TestWay         way,
                  ReformerSample *sample)
{
  TestDataset *self = g_object_new (test_dataset_get_type (), NULL);

  self->way = way;
  g_set_object (&self->sample, sample);
  return self;
}

/* ---- Classes that override nothing ---- */

typedef TestTokenizer TestIdleTokenizer;
typedef TestTokenizerClass TestIdleTokenizerClass;
typedef TestDataset TestIdleDataset;
typedef TestDatasetClass TestIdleDatasetClass;

G_DEFINE_TYPE (TestIdleTokenizer, test_idle_tokenizer, reformer_tokenizer_get_type ())
G_DEFINE_TYPE (TestIdleDataset, test_idle_dataset, reformer_dataset_get_type ())

static void
test_idle_tokenizer_class_init (TestIdleTokenizerClass *klass)
{
}

static void
test_idle_tokenizer_init (TestIdleTokenizer *self)
{
}

static void
test_idle_dataset_class_init (TestIdleDatasetClass *klass)
{
}

static void
test_idle_dataset_init (TestIdleDataset *self)
{
}

/* ---- Another thread ---- */

typedef struct
{
  void        (*function) (gpointer data);
  gpointer      data;
  GCancellable *cancellable;
  int           done; /* atomic */
} Away;

static gpointer
run_away (gpointer data)
{
  Away *away = data;

  reformer_home_enter (NULL, away->cancellable);
  away->function (away->data);
  reformer_home_leave ();
  g_atomic_int_set (&away->done, TRUE);
  g_main_context_wakeup (NULL);
  return NULL;
}

void
test_run_away (void   (*function) (gpointer data),
               gpointer data,
               gboolean iterate)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Away away = { function, data, cancellable, FALSE };
  GThread *thread = g_thread_new ("away", run_away, &away);

  if (!iterate)
    {
      g_usleep (CALM);
      g_assert_false (g_atomic_int_get (&away.done)); /* it waits */
      g_cancellable_cancel (cancellable);
    }
  while (iterate && !g_atomic_int_get (&away.done))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
}
