/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ops/rows.h"

G_BEGIN_DECLS

#define REFORMER_MAX_FACTORS 16

/* Locality-sensitive hashing by random rotations (Kitaev et al. 2020; spec 3.4.2, 3.4.3), for a group of heads.
 *
 *   x          [rows][T][stride], head h of the group in columns h * head_size ...
 *   rotations  [heads][head_size][max_rounds][columns], columns = sum of factors / 2; the group's first head first; rounds <= max_rounds are used
 *   mask       uint8 [rows][T], 1 = keep; no tensor: all kept. A masked token gets the bucket `buckets` (the one after the last)
 *   buckets    uint16 [heads][rounds][rows][ld], the first T of each list
 *   bucket = code_1 + f_1 code_2 + f_1 f_2 code_3 + ..., code = argmax of [r, -r], the first maximum */
typedef struct
{
  int          rows, T, stride, heads, head_size, rounds, max_rounds;
  int          n_factors, factors[REFORMER_MAX_FACTORS];
  ReformerSpan x;
  ReformerSpan rotations;
  ReformerSpan mask;
  gsize        ld; /* 0: T */
} ReformerHash;

void reformer_hash         (ReformerRun        *run,
                            const ReformerHash *hash,
                            ReformerSpan        buckets);
/* Stable counting sort of each of n_slots lists of T buckets (each < n_buckets), which begin `ld` buckets apart: order int32 [n_slots][T], the positions
 * 0 .. T-1 ascending by bucket, within a bucket ascending by position. */
void reformer_sort_buckets (ReformerRun        *run,
                            ReformerSpan        buckets,
                            gsize               ld,
                            gsize               n_slots,
                            int                 T,
                            int                 n_buckets,
                            ReformerSpan        order);

G_END_DECLS
