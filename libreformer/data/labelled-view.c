/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data/labelled.h"

#include <libreformer/files/reformer-file-error.h>

#include "data/shuffle.h"

/* The key of the order in which sequences are chosen to be held out: always the same, so that a part stays what it is. */
#define HELD_OUT_SEED G_GUINT64_CONSTANT (0x68656c646f7574)

struct _ReformerLabelledView
{
  gatomicrefcount        refs;
  ReformerLabelledIndex *index;
  guint                  total;
  guint                  n;        /* records of this part */
  guint32               *records;  /* NULL: all */
  int                    length;
  guint64               *starts;   /* [n + 1]: the first sample of each record; NULL: a record is a sample */
};

static void
fail_memory (ReformerLabelledView  *self,
             GError               **error)
{
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_LIMIT, "%s: no memory for a list of %u sequences",
               reformer_text_file_get_path (reformer_labelled_index_get_file (self->index)), self->total);
}

/* The records of the part, in the order of the file. Those that are held out are the last ones of a random order, and all others the first ones. */
static gboolean
choose_records (ReformerLabelledView  *self,
                double                 fraction,
                gboolean               held_out,
                GError               **error)
{
  const guint n_held_out = (guint) ((double) self->total * fraction);
  g_autofree guint8 *chosen = NULL;

  self->n = held_out ? n_held_out : self->total - n_held_out;
  if (self->n == self->total || self->n == 0)
    return TRUE;
  chosen = g_try_malloc0 (self->total);
  self->records = g_try_new (guint32, self->n);
  if (chosen == NULL || self->records == NULL)
    {
      fail_memory (self, error);
      return FALSE;
    }
  for (guint i = self->total - n_held_out; i < self->total; i++)
    chosen[reformer_shuffle (HELD_OUT_SEED, 0, self->total, i)] = 1;
  for (guint i = 0, n = 0; i < self->total; i++)
    if (chosen[i] == held_out)
      self->records[n++] = i;
  return TRUE;
}

static guint
nth_record (ReformerLabelledView *self,
            guint                 i)
{
  return self->records != NULL ? self->records[i] : i;
}

static gboolean
count_pieces (ReformerLabelledView  *self,
              GError               **error)
{
  self->starts = g_try_new (guint64, (gsize) self->n + 1);
  if (self->starts == NULL)
    {
      fail_memory (self, error);
      return FALSE;
    }
  self->starts[0] = 0;
  for (guint i = 0; i < self->n; i++)
    self->starts[i + 1] = self->starts[i] + ((guint64) reformer_labelled_index_count_tokens (self->index, nth_record (self, i)) + (guint64) self->length - 1) / (guint64) self->length;
  return TRUE;
}

ReformerLabelledView *
reformer_labelled_view_new (ReformerLabelledIndex  *index,
                            double                  fraction,
                            gboolean                held_out,
                            gboolean                split,
                            int                     length,
                            GError                **error)
{
  g_autoptr (ReformerLabelledView) self = g_new0 (ReformerLabelledView, 1);

  g_atomic_ref_count_init (&self->refs);
  self->index = reformer_labelled_index_ref (index);
  self->length = length;
  self->total = reformer_labelled_index_read (index, error);
  if (self->total == 0 || !choose_records (self, fraction, held_out, error))
    return NULL;
  if (self->n == 0)
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: the part that is held out has none of %u sequence%s; wanted at least 1",
                   reformer_text_file_get_path (reformer_labelled_index_get_file (index)), self->total, self->total == 1 ? "" : "s");
      return NULL;
    }
  if (split && !count_pieces (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

ReformerLabelledView *
reformer_labelled_view_ref (ReformerLabelledView *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
reformer_labelled_view_unref (ReformerLabelledView *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  reformer_labelled_index_unref (self->index);
  g_free (self->records);
  g_free (self->starts);
  g_free (self);
}

ReformerLabelledIndex *
reformer_labelled_view_get_index (ReformerLabelledView *self)
{
  return self->index;
}

int
reformer_labelled_view_get_length (ReformerLabelledView *self)
{
  return self->length;
}

guint
reformer_labelled_view_count_records (ReformerLabelledView *self)
{
  return self->n;
}

gint64
reformer_labelled_view_count_samples (ReformerLabelledView *self)
{
  return self->starts != NULL ? (gint64) self->starts[self->n] : (gint64) self->n;
}

ReformerSample *
reformer_labelled_view_read_sample (ReformerLabelledView  *self,
                                    gint64                 index,
                                    GError               **error)
{
  guint begin = 0, end = self->n;

  if (index >= reformer_labelled_view_count_samples (self))
    {
      g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "%s: sample %" G_GINT64_FORMAT " was asked for, the last one of length %d is %" G_GINT64_FORMAT,
                   reformer_text_file_get_path (reformer_labelled_index_get_file (self->index)), index, self->length, reformer_labelled_view_count_samples (self) - 1);
      return NULL;
    }
  if (self->starts == NULL)
    return reformer_labelled_index_read_sample (self->index, nth_record (self, (guint) index), 0, self->length, error);
  while (end - begin > 1) /* starts[begin] <= index < starts[end] */
    {
      const guint middle = begin + (end - begin) / 2;

      if (self->starts[middle] <= (guint64) index)
        begin = middle;
      else
        end = middle;
    }
  return reformer_labelled_index_read_sample (self->index, nth_record (self, begin), (guint64) index - self->starts[begin], self->length, error);
}
