/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "files/atomic.h"
#include "layers/axial-position-private.h"
#include "layers/embedding-private.h"
#include "layers/layer-norm-private.h"
#include "layers/linear-private.h"
#include "layers/position-table-private.h"
#include "layers/stack-private.h"
#include "models/model-labels.h"

G_BEGIN_DECLS

struct _ReformerModel
{
  GObject                parent_instance;

  ReformerDevice        *device;
  ReformerConfig        *config; /* what the model was made with; nobody else has it */
  ReformerConfig        *shown;  /* a copy for callers, who may change it without effect */
  GRecMutex              lock; /* building and the first filling */
  gboolean               built;
  gboolean               training;
  guint64                seed;
  guint                  sequence;
  gsize                  piece; /* forced size of pieces, for tests; 0 = chosen */

  /* The parts, in the order of their names in a checkpoint. */
  GPtrArray             *layers;
  ReformerEmbedding     *embedding; /* borrowed from layers; one of this and the next */
  ReformerLinear        *projection;
  ReformerAxialPosition *axial;     /* one of axial and table */
  ReformerPositionTable *table;
  ReformerStack         *stack;
  ReformerLayerNorm     *norm;      /* NULL: none */
  ReformerLinear        *dense;     /* before the head, where a sequence is classified; else NULL */
  ReformerLinear        *head;      /* NULL for a bare encoder */
  ReformerParameter     *tied_bias; /* [V], of logits that come of the embedding's matrix, with `head` before it as projection [H, W]; NULL: not tied. Borrowed */
};

/* ---- reformer-model.c ---- */

/* What rotations are drawn by: the configuration's hash_seed, or else the model's seed. */
guint64    reformer_model_get_rotation_seed (ReformerModel *self);
/* Other rotations, keyed by that seed and the number of a step, in all layers that have some. */
void       reformer_model_redraw_rotations  (ReformerModel *self,
                                             guint          step,
                                             ReformerRun   *run);

/* encode() without its result, which a watch looks at. */
gboolean   reformer_model_watch             (ReformerModel       *self,
                                             ReformerTensor      *tokens,
                                             ReformerTensor      *mask,
                                             const ReformerWatch *watch,
                                             GError             **error);

/* ---- model-layers.c ---- */

/* Builds the layers where the configuration is valid and they are not built yet. Allocates nothing on the device. */
gboolean   reformer_model_build           (ReformerModel  *self,
                                           GError        **error);
/* All parameters, or all buffers (what is saved but not trained), of all layers. */
GPtrArray *reformer_model_list_parameters (ReformerModel  *self);
GPtrArray *reformer_model_list_buffers    (ReformerModel  *self);
/* Whether the number of buckets is the rule's, and nothing hangs on its factors yet: no rotations are there. The model must be built. */
gboolean   reformer_model_may_set_buckets (ReformerModel  *self);
/* Sets these factors, or those of the rule (none), in the configuration and the layers made of it; nothing where rotations are there. */
void       reformer_model_set_buckets     (ReformerModel  *self,
                                           const int      *factors,
                                           gsize           n_factors);

/* ---- model-input.c ---- */

/* What a head said beside its loss, for metrics; to be cleared. */
typedef struct
{
  ReformerTensor *outputs; /* int32, the likeliest class of each label, where labels are classes; else float32: what the head gives, for padded tokens too */
  ReformerTensor *labels;  /* as ReformerInput has them: for spans [B, 2], else as many as outputs */
  ReformerTensor *mask;    /* uint8 [B, T]; NULL: nothing is masked */
} ReformerModelSight;

void     reformer_model_sight_clear (ReformerModelSight *sight);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerModelSight, reformer_model_sight_clear)

typedef struct _ReformerInputs ReformerInputs;

/* Tokens, mask and labels as the layers want them: padded on the right to a length that all chunks fit, masked there. */
typedef struct
{
  ReformerInputs *whole;  /* what it is a part of; NULL: it is all */
  int             first;  /* number of its first row among the sequences of the whole */
  int             B;
  int             T0;     /* as given */
  int             T;      /* padded */
  ReformerTensor *ids;    /* int32 [B, T]; or NULL, and */
  ReformerTensor *values; /*   float32 [B, T, F] */
  ReformerTensor *mask;   /* uint8 [B, T]; NULL: nothing is masked */
  ReformerTensor *labels; /* int32 or float32 [B, width], or [B, T, width] at the position that is to predict them; NULL without labels */
  ReformerTensor *weights; /* float32 [classes]; NULL: all 1 */
  ReformerTargets targets; /* among the labels */
  ReformerTargets total;   /* what the gradients are a mean over */
  ReformerModelSight *sight; /* what metrics want; NULL: nothing */
} ReformerInput;

void     reformer_input_clear     (ReformerInput   *input);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ReformerInput, reformer_input_clear)

/* Length after padding (spec 3.0): to a multiple of all chunk lengths, unless every layer gives full attention. */
gint64   reformer_model_pad_length (ReformerModel  *self,
                                    gint64          length);
/* The same for all sequences that may be padded as rows of one input, and computed each as alone. With `exact` short ones must be equally long. */
gint64   reformer_model_pad_kind   (ReformerModel  *self,
                                    gint64          length,
                                    gboolean        exact);
/* FALSE and a failed run unless the tokens have the model's type and shape, or the tensor is on its device. */
gboolean reformer_input_check_tokens (ReformerModel  *self,
                                      ReformerRun    *run,
                                      ReformerTensor *tokens);
gboolean reformer_input_check_device (ReformerModel  *self,
                                      ReformerRun    *run,
                                      const char     *name,
                                      ReformerTensor *tensor);
gboolean reformer_model_read_input (ReformerModel  *self,
                                    ReformerRun    *run,
                                    ReformerTensor *tokens,
                                    ReformerTensor *mask,
                                    ReformerTensor *labels,
                                    ReformerInput  *input);
/* 32-bit numbers on the host; NULL and a failed run where there is no memory. */
gint32  *reformer_input_host_array (ReformerRun    *run,
                                    gsize           n);

/* ---- model-labels.c ---- */

/* Labels as the head's loss wants them, with the number of targets; the mask must be there. Errors stay in the run. */
void     reformer_model_read_labels (ReformerModel  *self,
                                     ReformerRun    *run,
                                     ReformerTensor *labels,
                                     ReformerInput  *input);

/* ---- model-head.c ---- */

/* last hidden state [B, T0, W] where `encode`, else the head's output. */
ReformerTensor *reformer_model_head_forward (ReformerModel   *self,
                                             ReformerInput   *input,
                                             ReformerTensor **streams,
                                             gboolean         encode,
                                             ReformerTape    *tape);
/* The sums of the losses; with `gradients` (or NULL), which are set, also those of norm and head, which are added to. */
void            reformer_model_head_loss    (ReformerModel   *self,
                                             ReformerInput   *input,
                                             ReformerTensor **streams,
                                             ReformerTensor **gradients,
                                             double           sums[2],
                                             ReformerTape    *tape);

/* ---- model-final.c: what stands between the stack and the loss ---- */

/* Residual streams, 1 or 2, and the width of the last hidden state: both streams side by side. */
int             reformer_model_get_streams          (ReformerModel   *self);
int             reformer_model_get_width            (ReformerModel   *self);
/* z = norm ([x1, x2]) of count rows from `row` on; without final norm the streams as they are. */
void            reformer_model_run_final            (ReformerModel   *self,
                                                     ReformerTensor **streams,
                                                     gsize            row,
                                                     gsize            count,
                                                     ReformerSpan     z,
                                                     ReformerTape    *tape);
/* Sets the streams' gradients of these rows for the gradient dz; that of the norm is added to. `row` is a multiple of REFORMER_BLOCK. */
void            reformer_model_run_final_backward   (ReformerModel   *self,
                                                     ReformerTensor **streams,
                                                     ReformerTensor **gradients,
                                                     gsize            row,
                                                     gsize            count,
                                                     ReformerSpan     dz,
                                                     ReformerTape    *tape);
/* The head's outputs of z [count, W], [count, V] of a language head, tied or not. */
void            reformer_model_run_outputs           (ReformerModel   *self,
                                                     ReformerSpan     z,
                                                     ReformerSpan     logits,
                                                     gsize            count,
                                                     ReformerTape    *tape);
/* Sets dz for the gradient of the outputs; those of the head are added to. The first row's number is a multiple of REFORMER_BLOCK. */
void            reformer_model_run_outputs_backward  (ReformerModel   *self,
                                                     ReformerSpan     gradient,
                                                     ReformerSpan     z,
                                                     ReformerSpan     dz,
                                                     gsize            count,
                                                     ReformerTape    *tape);

/* ---- model-vectors.c ---- */

/* Uninitialised tokens as the model takes them: int32 [rows, length], or float32 [rows, length, F]. */
ReformerTensor *reformer_model_new_tokens       (ReformerModel      *self,
                                                 ReformerDevice     *device,
                                                 int                 rows,
                                                 gint64              length,
                                                 GError            **error);
/* The input's values: float32 tokens of the right shape, padded with zeros. Fails where a number is not finite. */
void            reformer_model_read_vectors     (ReformerModel      *self,
                                                 ReformerRun        *run,
                                                 ReformerTensor     *tokens,
                                                 ReformerInput      *input);
/* x [B, T, H] = dropout (projection of the input's values) */
void            reformer_model_project          (ReformerModel      *self,
                                                 ReformerInput      *input,
                                                 ReformerTensor     *x,
                                                 const ReformerRows *rows,
                                                 ReformerTape       *tape);
/* Adds to the projection's gradients for the gradient gradients[0] + gradients[1] (or NULL) of x; the first of them is overwritten. */
void            reformer_model_project_backward (ReformerModel      *self,
                                                 ReformerInput      *input,
                                                 ReformerTensor    **gradients,
                                                 const ReformerRows *rows,
                                                 ReformerTape       *tape);

/* ---- model-run.c ---- */

/* A tape for a pass over the input. */
ReformerTape   *reformer_model_new_tape   (ReformerModel   *self,
                                           ReformerInput   *input,
                                           gboolean         training,
                                           GCancellable    *cancellable);
/* last hidden state [B, T0, W] where `encode`, else the head's output. Errors stay in the tape's run. */
ReformerTensor *reformer_model_run_forward (ReformerModel  *self,
                                            ReformerInput  *input,
                                            gboolean        encode,
                                            ReformerTape   *tape);
/* The sums of the losses; with `gradients`, those of all trainable parameters are added to. */
void            reformer_model_run_loss    (ReformerModel  *self,
                                            ReformerInput  *input,
                                            gboolean        gradients,
                                            double          sums[2],
                                            ReformerTape   *tape);
void            reformer_model_clear_gradients (ReformerModel *self,
                                                ReformerRun   *run);

/* One of the passes of a step, for a trainer. */
typedef struct
{
  GCancellable    *cancellable;
  const gint32    *lengths; /* of the rows, each of which is then computed as alone; NULL: none are given */
  ReformerTargets  total;   /* what the gradients are a mean over: the targets of all passes of the step; none: those of this pass, which must then have some */
  gboolean         add;     /* the gradients are added to those of the passes before */
  double           sums[2]; /* comes back: the sums of the losses, as reformer_targets_mean() takes them */
  ReformerTargets  targets; /*   and over what */
  ReformerModelSight *sight;  /* comes back too, where it is wanted; of a pass without gradients */
} ReformerModelPass;

/* As compute_gradients() and compute_loss(); these are made of it. A pass that fails leaves the model's sequence and keep as they were. */
gboolean        reformer_model_run_pass    (ReformerModel      *self,
                                            ReformerTensor     *tokens,
                                            ReformerTensor     *mask,
                                            ReformerTensor     *labels,
                                            gboolean            gradients,
                                            ReformerModelPass  *pass,
                                            GError            **error);

/* ---- model-files.c, model-write.c ---- */

/* The configuration as it is saved: buckets that were found by the rule are written down, because the rotations go with them. */
ReformerConfig *reformer_model_copy_saved_config (ReformerModel         *self);
/* Puts config.json and model.safetensors into a folder under way; the model must be prepared. */
gboolean        reformer_model_write_files       (ReformerModel         *self,
                                                  ReformerAtomicFolder  *folder,
                                                  GCancellable          *cancellable,
                                                  GError               **error);

/* ---- model-plan.c ---- */

/* What a memory plan is of. */
typedef struct
{
  ReformerModel *model;
  gboolean       gradients;
  guint64        held;       /* bytes on the model's device that are in the plan, beside the model's own */
  gboolean     (*run) (ReformerModel   *twin,   /* on a planner */
                       ReformerTensor  *tokens,
                       gpointer         data,
                       GError         **error);
  gpointer       data;
} ReformerPlanning;

ReformerMemoryPlan *reformer_planning_make            (const ReformerPlanning  *planning,
                                                       int                      rows,
                                                       gint64                   length,
                                                       GError                 **error);
/* At most `most`; 0: not even one token fits; -1: an error. */
gint64              reformer_planning_find_max_length (const ReformerPlanning  *planning,
                                                       int                      rows,
                                                       gint64                   most,
                                                       GError                 **error);
/* Adds to the error of a call with sequences of that length, if it is about memory, which ones would fit. It says that none does below `least`. */
void                reformer_planning_name_longest    (const ReformerPlanning  *planning,
                                                       int                      rows,
                                                       gint64                   length,
                                                       gint64                   least,
                                                       GError                 **error);

typedef enum
{
  REFORMER_MODEL_CALL_FORWARD,
  REFORMER_MODEL_CALL_ENCODE,
  REFORMER_MODEL_CALL_LOSS,
  REFORMER_MODEL_CALL_GRADIENTS,
} ReformerModelCall;

/* The same for a call that has failed; the mask as it was given, or NULL. */
void                reformer_model_name_longest       (ReformerModel      *self,
                                                       ReformerModelCall   kind,
                                                       ReformerTensor     *tokens,
                                                       ReformerTensor     *mask,
                                                       GError            **error);
/* Turns keep = auto into the fastest that the memory allows for so many rows at once, of these tokens. */
void                reformer_model_choose_keep (ReformerModel  *self,
                                                ReformerTensor *tokens,
                                                int             rows,
                                                gint64          length);

G_END_DECLS
