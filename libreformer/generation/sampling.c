/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generation/sampling.h"

#include <math.h>

#include "compute/random.h"
#include <libreformer/layers/reformer-model-error.h>

/* Tells these random numbers from those of weights and dropout, which have a layer's number here. */
#define STREAM 0x53414d50u

gboolean
reformer_sampling_check (const ReformerSampling  *self,
                         GError                 **error)
{
  if (!(self->temperature >= 0) || !isfinite (self->temperature))
    g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "temperature is %g; wanted a number from 0 on (0 takes the likeliest token)", self->temperature);
  else if (!(self->top_p > 0 && self->top_p <= 1))
    g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_INVALID_INPUT, "top-p is %g; wanted more than 0 and at most 1", self->top_p);
  else
    return TRUE;
  return FALSE;
}

/* The id with the largest logit, the lowest of equals; -1 and an error where a logit is not a number or nothing is allowed. */
static int
likeliest (const float   *logits,
           const guint8  *allowed,
           gsize          n,
           guint64        number,
           GError       **error)
{
  int best = -1;

  for (gsize id = 0; id < n; id++)
    {
      if (allowed != NULL && !allowed[id])
        continue;
      if (isnan (logits[id]) || logits[id] == HUGE_VALF)
        {
          g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_FAILED,
                       "token %" G_GUINT64_FORMAT ": the logit of id %" G_GSIZE_FORMAT " is %g; wanted a finite number (are all the model's weights finite?)", number, id, (double) logits[id]);
          return -1;
        }
      if (logits[id] != -HUGE_VALF && (best < 0 || logits[id] > logits[best]))
        best = (int) id;
    }
  if (best < 0)
    g_set_error (error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_FAILED, "token %" G_GUINT64_FORMAT ": none of the %" G_GSIZE_FORMAT " ids can be chosen; wanted one that the tokenizer knows, with a finite logit",
                 number, n);
  return best;
}

static int
compare (gconstpointer a,
         gconstpointer b,
         gpointer      data)
{
  const int i = *(const int *) a, k = *(const int *) b;
  const double *p = data;

  return p[i] > p[k] ? -1 : p[i] < p[k] ? 1 : i - k;
}

/* Sets the probabilities of all that top-k and top-p leave out to 0; those of the others keep their proportions. */
static void
cut (const ReformerSampling *self,
     gsize                   n,
     double                 *p)
{
  g_autofree int *order = g_new (int, n);
  double sum = 0, above = 0;
  int left = 0;

  for (gsize id = 0; id < n; id++)
    if (p[id] > 0)
      order[left++] = (int) id;
  g_qsort_with_data (order, left, sizeof *order, compare, p);
  for (; self->top_k > 0 && left > 0 && (guint) left > self->top_k; left--)
    p[order[left - 1]] = 0;
  for (int i = 0; i < left; i++)
    sum += p[order[i]];
  for (int i = 0; i < left; i++)
    {
      const double own = p[order[i]];

      if (i > 0 && self->top_p < 1 && above >= self->top_p * sum)
        p[order[i]] = 0;
      above += own;
    }
}

gboolean
reformer_sampling_weigh (const ReformerSampling  *self,
                         const float             *logits,
                         const guint8            *allowed,
                         gsize                    n,
                         guint64                  number,
                         double                  *p,
                         GError                 **error)
{
  const int best = likeliest (logits, allowed, n, number, error);
  double sum = 0;

  if (best < 0)
    return FALSE;
  for (gsize id = 0; id < n; id++)
    {
      if (self->temperature == 0)
        p[id] = id == (gsize) best;
      else
        p[id] = allowed != NULL && !allowed[id] ? 0 : exp (((double) logits[id] - (double) logits[best]) / self->temperature);
    }
  if (self->temperature > 0 && (self->top_k > 0 || self->top_p < 1))
    cut (self, n, p);
  for (gsize id = 0; id < n; id++)
    sum += p[id];
  for (gsize id = 0; id < n; id++)
    p[id] /= sum;
  return TRUE;
}

double
reformer_sampling_uniform (guint64 seed,
                           guint64 number)
{
  const guint32 counter[4] = { (guint32) number, (guint32) (number >> 32), STREAM, 0 };
  const guint32 key[2] = { (guint32) seed, (guint32) (seed >> 32) };
  guint32 words[4];

  reformer_philox (counter, key, words);
  return (double) ((guint64) words[0] << 21 | words[1] >> 11) * 0x1p-53;
}

int
reformer_sampling_choose (const ReformerSampling  *self,
                          const float             *logits,
                          const guint8            *allowed,
                          gsize                    n,
                          guint64                  number,
                          GError                 **error)
{
  g_autofree double *p = NULL;
  double u = reformer_sampling_uniform (self->seed, number);
  int chosen = -1;

  if (self->temperature == 0)
    return likeliest (logits, allowed, n, number, error);
  p = g_new (double, n);
  if (!reformer_sampling_weigh (self, logits, allowed, n, number, p, error))
    return -1;
  for (gsize id = 0; id < n && u >= 0; id++)
    if (p[id] > 0)
      {
        chosen = (int) id; /* the last one also where rounding leaves something of u */
        u -= p[id];
      }
  return chosen;
}
