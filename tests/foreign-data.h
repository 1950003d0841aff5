/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libreformer/data/reformer-dataset.h>

G_BEGIN_DECLS

/* A tokenizer and a data set of a program's own, which do well or wrong, and remember in which thread they were called. */

typedef enum
{
  TEST_WELL,
  TEST_NOTHING, /* returns neither a result nor an error */
  TEST_BOTH,    /* a result and an error */
  TEST_ERROR,
  TEST_ODD,     /* a result of a size that cannot be */
  TEST_BEYOND,  /* a result with too many or too large numbers */
  TEST_BELOW,   /* a negative number */
} TestWay;

typedef struct
{
  ReformerTokenizer parent_instance;

  TestWay  way;
  int      n_ids;
  gboolean counting_fails; /* count_ids and identify have an error */
  GThread *thread;  /* of the last call */
  int      n_calls; /* of encode; atomic */
} TestTokenizer;

typedef struct
{
  ReformerTokenizerClass parent_class;
} TestTokenizerClass;

typedef struct
{
  ReformerDataset parent_instance;

  TestWay         way;
  ReformerSample *sample; /* what read_sample gives; NULL: `length` ids */
  GThread        *thread; /* of the last call */
} TestDataset;

typedef struct
{
  ReformerDatasetClass parent_class;
} TestDatasetClass;

/* An id for each letter a to z, from 0 on, and 26 for all other bytes. */
GType test_tokenizer_get_type (void);
/* 10 samples of ones. */
GType test_dataset_get_type   (void);
/* Classes that override nothing. */
GType test_idle_tokenizer_get_type (void);
GType test_idle_dataset_get_type   (void);

TestTokenizer *test_tokenizer_new (TestWay way);
TestDataset   *test_dataset_new   (TestWay         way,
                                   ReformerSample *sample);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestTokenizer, g_object_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestDataset, g_object_unref)

/* Runs the function in a thread whose home is the default main context, which is iterated meanwhile. Where it shall not be, the function must wait, and after a moment
 * is cancelled. */
void test_run_away (void   (*function) (gpointer data),
                    gpointer data,
                    gboolean iterate);

G_END_DECLS
