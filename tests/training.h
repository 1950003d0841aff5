/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "models.h"

#include <libreformer/training/reformer-trainer.h>

G_BEGIN_DECLS

/* Shared by the tests of trainers. */

/* A data set of a program's own: a list of samples, cut to the length that is asked for. It remembers what was read, and whether a thread other than the one that
 * made it did so. */
typedef struct
{
  ReformerDataset  parent_instance;

  GPtrArray       *samples;
  GArray          *read;      /* indices (gint64) in their order */
  ReformerDataset *held_out;
  GThread         *home;
  gint             strangers; /* calls from other threads */
  gulong           delay;     /* microseconds a sample takes */
  void           (*on_read) (gpointer data);
  void           (*on_count) (gpointer data);
  gpointer         data;
} TestSamples;

typedef struct
{
  ReformerDatasetClass parent_class;
} TestSamplesClass;

GType test_samples_get_type (void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestSamples, g_object_unref)

/* n samples of `length` ids from 1 on below the vocabulary, all different. */
TestSamples    *test_samples_new      (guint            n,
                                       int              length,
                                       int              vocabulary);
/* Takes the place of a sample; mask and labels may be NULL. */
void            test_samples_put      (TestSamples     *self,
                                       guint            index,
                                       const gint32    *ids,
                                       const guint8    *mask,
                                       const gint32    *labels,
                                       gsize            n);

/* 8 samples of at most 32 ids with unequal numbers of targets: short ones, masks, labels of their own. */
TestSamples    *test_samples_new_uneven (void);

/* A model as test_config() makes, with these dropouts. */
ReformerModel   *test_training_model  (ReformerDevice  *device,
                                       const char      *kinds,
                                       double           dropout);
/* A trainer of sequences of 32 tokens, without clipping. */
ReformerTrainer *test_trainer_new     (ReformerModel   *model,
                                       TestSamples     *samples);
/* Trains; must not fail. */
void             test_train           (ReformerTrainer *trainer,
                                       guint            n_steps);
/* All that a run is: values of parameters, state of the optimizer, and the numbers of the state. */
GArray          *test_training_state  (ReformerTrainer *trainer);
/* The values of all parameters. */
GArray          *test_values          (ReformerModel   *model);
void             assert_same_state    (GArray          *a,
                                       GArray          *b);
gboolean         test_same_state      (GArray          *a,
                                       GArray          *b);

G_END_DECLS
