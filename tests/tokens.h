/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/random.h"

G_BEGIN_DECLS

/* Dropout's factor of one element, computed on the host. */
static inline float
test_dropout_factor (const ReformerDropout *dropout,
                     gsize                  row,
                     guint64                index)
{
  const guint32 counter[4] = { (guint32) (index >> 2), (guint32) (index >> 34), dropout->sequence + (guint32) row, dropout->place };
  const guint32 key[2] = { (guint32) dropout->seed, (guint32) (dropout->seed >> 32) };
  guint32 words[4];

  reformer_philox (counter, key, words);
  return words[index & 3] >= reformer_dropout_threshold (dropout) ? reformer_dropout_scale (dropout) : 0.0f;
}

/* Seconds since some moment. */
static inline double
test_seconds (void)
{
  return g_get_monotonic_time () * 1e-6;
}

/* Runs `what` until half a second is over and prints the best rate. */
#define TEST_RATE(run, name, n_bytes, what)                                                                        \
  G_STMT_START                                                                                                     \
  {                                                                                                                \
    double best_ = G_MAXDOUBLE;                                                                                    \
    const double start_ = test_seconds ();                                                                         \
    for (int round_ = 0; round_ < 3 || test_seconds () - start_ < 0.5; round_++)                                   \
      {                                                                                                            \
        const double before_ = test_seconds ();                                                                    \
        what;                                                                                                      \
        reformer_device_synchronize ((run)->device, NULL);                                                         \
        best_ = MIN (best_, test_seconds () - before_);                                                            \
      }                                                                                                            \
    assert_run (run);                                                                                              \
    g_print ("# %-28s %8.3f ms %7.1f GB/s\n", name, best_ * 1e3, (double) (n_bytes) / best_ * 1e-9);               \
  }                                                                                                                \
  G_STMT_END

G_END_DECLS
