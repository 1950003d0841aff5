/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/inspection-private.h"

#include <math.h>

/* What a query attends to, computed on the host in double precision from the layer's own queries, keys and order: the rules of ops/attention.h. */

#define MASKED (-1e9)
#define SELF (-1e5)

void
reformer_seen_free (ReformerSeen *self)
{
  g_free (self->name);
  g_free (self->kind);
  g_free (self->q);
  g_free (self->k);
  g_free (self->order);
  g_free (self->buckets);
  g_free (self->mask);
  g_free (self->globals);
  g_free (self->global_q);
  g_free (self->global_k);
  g_free (self->dilations);
  g_free (self);
}

gboolean
reformer_seen_is_kept (const ReformerSeen *self,
                       int                 row,
                       int                 token)
{
  return token < self->T0 && (self->mask == NULL || self->mask[(gsize) row * (gsize) self->T + (gsize) token] != 0);
}

static gboolean
is_global (const ReformerSeen *self,
           int                 row,
           int                 token)
{
  return self->globals != NULL && self->globals[(gsize) row * (gsize) self->T + (gsize) token] != 0;
}

/* ---- A head ---- */

static const float *
vector (const ReformerSeenHead *self,
        const float            *array,
        int                     token)
{
  const ReformerSeen *seen = self->seen;

  return array + (((gsize) self->row * (gsize) seen->T + (gsize) token) * (gsize) seen->heads + (gsize) self->head) * (gsize) seen->head_size;
}

/* The tokens of a round, in its order. */
static const gint32 *
round_order (const ReformerSeenHead *self,
             int                     round)
{
  const ReformerSeen *seen = self->seen;

  return seen->order + (((gsize) self->head * (gsize) seen->rounds + (gsize) round) * (gsize) seen->B + (gsize) self->row) * (gsize) seen->T;
}

void
reformer_seen_head_begin (ReformerSeenHead   *self,
                          const ReformerSeen *seen,
                          int                 row,
                          int                 head)
{
  const gsize T = (gsize) seen->T;

  *self = (ReformerSeenHead) { seen, row, head, NULL, NULL };
  if (seen->order != NULL)
    {
      self->places = g_new (gint32, (gsize) seen->rounds * T);
      for (int r = 0; r < seen->rounds; r++)
        for (gsize i = 0; i < T; i++)
          self->places[(gsize) r * T + (gsize) round_order (self, r)[i]] = (gint32) i;
    }
  if (seen->k == NULL)
    {
      self->lengths = g_new (double, T);
      for (gsize t = 0; t < T; t++)
        {
          const float *q = vector (self, seen->q, (int) t);
          double sum = 0;

          for (int i = 0; i < seen->head_size; i++)
            sum += (double) q[i] * (double) q[i];
          self->lengths[t] = 1 / sqrt (sum / seen->head_size + 1e-6) / sqrt (seen->head_size);
        }
    }
}

void
reformer_seen_head_clear (ReformerSeenHead *self)
{
  g_clear_pointer (&self->places, g_free);
  g_clear_pointer (&self->lengths, g_free);
}

static double
score (const ReformerSeenHead *self,
       int                     query,
       int                     key)
{
  const ReformerSeen *seen = self->seen;
  const gboolean global = is_global (seen, self->row, query);
  const float *q = vector (self, global ? seen->global_q : seen->q, query);
  const float *k = vector (self, global ? seen->global_k : seen->k != NULL ? seen->k : seen->q, key);
  double sum = 0;

  if (seen->self_last && query == key)
    return SELF;
  if ((seen->causal && key > query) || (seen->mask != NULL && !seen->mask[(gsize) self->row * (gsize) seen->T + (gsize) key]))
    return MASKED;
  for (int i = 0; i < seen->head_size; i++)
    sum += (double) q[i] * (double) k[i];
  return seen->scale * sum * (self->lengths != NULL ? self->lengths[key] : 1);
}

/* The keys of one chunk, with their scores as weights. */
static void
add_chunk (const ReformerSeenHead *self,
           int                     query,
           int                     round,
           int                     order,
           int                     first,
           int                     count,
           GArray                 *keys)
{
  for (int i = first; i < first + count; i++)
    {
      const int token = self->seen->order != NULL ? round_order (self, order)[i] : i;
      const ReformerSeenKey key = { token, round, score (self, query, token) };

      g_array_append_val (keys, key);
    }
}

static void
add_window (const ReformerSeenHead *self,
            int                     query,
            int                     round,
            GArray                 *keys)
{
  const ReformerSeen *seen = self->seen;
  const int place = self->places != NULL ? self->places[(gsize) round * (gsize) seen->T + (gsize) query] : query;
  const int chunks = seen->T / seen->chunk, ring = chunks * (seen->circular ? seen->rounds : 1), own = place / seen->chunk + (seen->circular ? round * chunks : 0);

  for (gint64 i = (gint64) own - seen->before; i <= (gint64) own + seen->after; i++)
    {
      const int number = (int) (((i % ring) + ring) % ring);

      if (seen->circular)
        add_chunk (self, query, round, number / chunks, number % chunks * seen->chunk, seen->chunk, keys);
      else if (i == number)
        add_chunk (self, query, round, round, number * seen->chunk, seen->chunk, keys);
    }
}

/* A window of tokens around the query, or every so many of them, and the global ones. */
static void
add_band (const ReformerSeenHead *self,
          int                     query,
          GArray                 *keys)
{
  const ReformerSeen *seen = self->seen;
  const int dilation = seen->dilations != NULL ? seen->dilations[self->head] : 1;

  for (int t = 0; t < seen->T; t++)
    if (is_global (seen, self->row, query) || is_global (seen, self->row, t) ||
        ((t - query) % dilation == 0 && ABS (t - query) <= (gint64) seen->reach * dilation))
      add_chunk (self, query, 0, 0, t, 1, keys);
}

GArray *
reformer_seen_list_keys (const ReformerSeenHead *self,
                         int                     token)
{
  const ReformerSeen *seen = self->seen;
  GArray *keys = g_array_new (FALSE, FALSE, sizeof (ReformerSeenKey));
  double most = -G_MAXDOUBLE, sum = 0;

  if (!reformer_seen_is_kept (seen, self->row, token))
    return keys;
  if (seen->reach > 0)
    add_band (self, token, keys);
  else if (seen->chunk >= seen->T)
    add_chunk (self, token, 0, 0, 0, seen->T, keys);
  else
    for (int r = 0; r < seen->rounds; r++)
      add_window (self, token, r, keys);
  for (guint i = 0; i < keys->len; i++)
    most = MAX (most, g_array_index (keys, ReformerSeenKey, i).weight);
  for (guint i = 0; i < keys->len; i++)
    {
      ReformerSeenKey *key = &g_array_index (keys, ReformerSeenKey, i);

      key->weight = exp (key->weight - most);
      sum += key->weight;
    }
  for (guint i = 0; i < keys->len; i++)
    g_array_index (keys, ReformerSeenKey, i).weight /= sum;
  return keys;
}

double
reformer_seen_cover (const ReformerSeenHead *self,
                     int                     token,
                     GArray                 *keys)
{
  const int T = self->seen->T;
  g_autofree double *scores = g_new (double, (gsize) T);
  g_autofree guint8 *covered = g_malloc0 ((gsize) T);
  double most = -G_MAXDOUBLE, all = 0, part = 0;

  for (guint i = 0; i < keys->len; i++)
    covered[g_array_index (keys, ReformerSeenKey, i).token] = 1;
  for (int t = 0; t < T; t++)
    {
      scores[t] = score (self, token, t);
      most = MAX (most, scores[t]);
    }
  for (int t = 0; t < T; t++)
    {
      const double weight = exp (scores[t] - most);

      all += weight;
      part += covered[t] ? weight : 0;
    }
  return part / all;
}

/* ---- Buckets ---- */

void
reformer_seen_count (const ReformerSeen *self,
                     int                 head,
                     double             *used,
                     int                *largest)
{
  g_autofree int *counts = g_new (int, G_MAXUINT16 + 1);
  gsize n = 0;

  *used = 0;
  *largest = 0;
  if (self->buckets == NULL)
    return;
  for (int r = 0; r < self->rounds; r++)
    for (int b = 0; b < self->B; b++)
      {
        const guint16 *buckets = self->buckets + (((gsize) head * (gsize) self->rounds + (gsize) r) * (gsize) self->B + (gsize) b) * (gsize) self->T;

        memset (counts, 0, (G_MAXUINT16 + 1) * sizeof *counts);
        for (int t = 0; t < self->T; t++)
          if (reformer_seen_is_kept (self, b, t))
            {
              counts[buckets[t]]++;
              n += counts[buckets[t]] == 1;
              *largest = MAX (*largest, counts[buckets[t]]);
            }
      }
  *used = (double) n / ((double) self->rounds * self->B);
}
