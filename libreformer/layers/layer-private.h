/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "layers/parameter-private.h"
#include "layers/tape-private.h"
#include <libreformer/layers/reformer-layer.h>
#include <libreformer/layers/reformer-model-error.h>

G_BEGIN_DECLS

/* The norm of a sum. */
typedef struct
{
  ReformerParameter *weight, *bias; /* borrowed */
  double             eps;
} ReformerSumNorm;

/* What the library's own layers offer a stack beyond forward and backward: working on the streams in place, head by head and piece by piece. Layers
 * without it (written outside) are run by their forward and backward. Errors stay in the tape's run. */
typedef struct
{
  /* target += f (x); x and target are [B, T, H], different tensors */
  void (*accumulate)          (ReformerLayer  *self,
                               ReformerTensor *x,
                               ReformerTensor *target,
                               ReformerTape   *tape);
  /* rebuild -= f (x), where given; dx += the gradient of x for the gradient dy of f (x); gradients of parameters are added to. Pops what accumulate pushed. */
  void (*accumulate_backward) (ReformerLayer  *self,
                               ReformerTensor *x,
                               ReformerTensor *rebuild,
                               ReformerTensor *dy,
                               ReformerTensor *dx,
                               ReformerTape   *tape);
  /* Whether the norm comes after the sum: f has none then, and a stack of one stream makes it of x + f (x). */
  gboolean (*sum_norm)        (ReformerLayer   *self,
                               ReformerSumNorm *norm);
} ReformerBranch;

/* Sets the class's branch, and a forward and backward made of it. */
void               reformer_layer_class_set_branch    (ReformerLayerClass   *klass,
                                                       const ReformerBranch *branch);
/* A setting that can be changed until the layer is first used, or put into another layer. */
#define REFORMER_LAYER_SETTING (G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY)
/* Whether it still can, and then notifies of it. What comes too late changes nothing, and the next use of the layer fails. */
gboolean           reformer_layer_may_set             (ReformerLayer        *self,
                                                       GParamSpec           *setting);
/* From now on it cannot. */
void               reformer_layer_fix                 (ReformerLayer        *self);
/* Runs either kind of layer as a branch. FALSE where it is left out, and with it the norm of the sum. */
gboolean           reformer_layer_accumulate          (ReformerLayer        *self,
                                                       ReformerTensor       *x,
                                                       ReformerTensor       *target,
                                                       ReformerTape         *tape);
void               reformer_layer_accumulate_backward (ReformerLayer        *self,
                                                       ReformerTensor       *x,
                                                       ReformerTensor       *rebuild,
                                                       ReformerTensor       *dy,
                                                       ReformerTensor       *dx,
                                                       ReformerTape         *tape);
/* Whether its norm is one of the sum; fills `norm`, which may be NULL. */
gboolean           reformer_layer_get_sum_norm        (ReformerLayer        *self,
                                                       ReformerSumNorm      *norm);

/* Number of the layer in its model: its dropouts draw by it. */
guint              reformer_layer_get_number          (ReformerLayer        *self);
void               reformer_layer_set_number          (ReformerLayer        *self,
                                                       guint                 number);
/* Prefixes the names of all parameters and buffers, children included. */
void               reformer_layer_set_prefix          (ReformerLayer        *self,
                                                       const char           *prefix);
/* Takes it off again, from the names that have it. */
void               reformer_layer_drop_prefix         (ReformerLayer        *self,
                                                       const char           *prefix);
/* Whether it is `other` or has it among its children, or theirs. */
gboolean           reformer_layer_has                 (ReformerLayer        *self,
                                                       ReformerLayer        *other);
/* A child whose parameters keep their names, and its end. */
void               reformer_layer_adopt               (ReformerLayer        *self,
                                                       ReformerLayer        *child);
void               reformer_layer_disown              (ReformerLayer        *self,
                                                       ReformerLayer        *child);
/* Makes a parameter (float32, n_dims dimensions given as gint64) and adds it. The layer keeps it; the pointer is borrowed. */
ReformerParameter *reformer_layer_make_parameter      (ReformerLayer        *self,
                                                       const char           *name,
                                                       ReformerStart         start,
                                                       guint                 n_dims,
                                                       ...);
/* Takes it away again, before the layer's first use. */
void               reformer_layer_remove_parameter    (ReformerLayer        *self,
                                                       ReformerParameter    *parameter);
/* Makes data that is saved but not trained (rotations): it is not among the parameters. */
ReformerParameter *reformer_layer_make_buffer         (ReformerLayer        *self,
                                                       const char           *name,
                                                       ReformerStart         start,
                                                       guint                 n_dims,
                                                       ...);
/* Parameters of the layer and its children, and their buffers, in the order in which they were added. Borrowed arrays. */
GPtrArray         *reformer_layer_list_parameters     (ReformerLayer        *self);
GPtrArray         *reformer_layer_list_buffers        (ReformerLayer        *self);
/* The beginning of a pass: settings are fixed, and all parameters and buffers that nobody filled (loaded) are given their start. */
void               reformer_layer_reset               (ReformerLayer        *self,
                                                       ReformerRun          *run,
                                                       guint64               seed);
/* The same without a pass: what was set too late stays to be told by the next one. */
void               reformer_layer_start               (ReformerLayer        *self,
                                                       ReformerRun          *run,
                                                       guint64               seed);
/* FALSE and a failed run unless the input is float32 [B, T, width]; gives B and T. */
gboolean           reformer_layer_check_input         (ReformerLayer        *self,
                                                       ReformerRun          *run,
                                                       ReformerTensor       *input,
                                                       int                   width,
                                                       int                  *B,
                                                       int                  *T);
/* A tensor shaped like `like`, uninitialised. */
ReformerTensor    *reformer_run_new_like              (ReformerRun          *run,
                                                       ReformerTensor       *like);

G_END_DECLS
