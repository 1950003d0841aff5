/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common.h"

#include "files/safetensors.h"
#include "models/model-private.h"

G_BEGIN_DECLS

/* Shared by the tests of whole models. */

/* Small causal models of 40 tokens, 64 positions, 32 wide, 2 heads of 16, chunks of 8. Kinds: "local,lsh". Dropouts are 0. */
ReformerConfig *test_config        (const char       *kinds);
/* The same with another head: 3 classes, 2 numbers, 6 labels; bidirectional, with a chunk after, but for a causal language head. */
ReformerConfig *test_head_config   (ReformerHead      head,
                                    const char       *kinds);
/* Adds the case /PROGRAM/HEAD/NAME. */
void            test_add_head      (const char         *program,
                                    const char         *name,
                                    GTestDataFunc       function,
                                    const ReformerHead *head);
/* [B, T] tokens: deterministic ids from 1 on below the vocabulary. */
ReformerTensor *test_tokens        (ReformerDevice   *device,
                                    int               B,
                                    int               T,
                                    int               vocabulary);
/* The parameter of that name; fails the test where there is none. Borrowed from the model. */
ReformerParameter *test_model_parameter  (ReformerModel    *model,
                                    const char       *name);
/* Overwrites a parameter's value. */
void            test_set_values    (ReformerParameter *parameter,
                                    const float       *values,
                                    gsize              n);
/* All gradients, one after the other, parameters in their order. */
GArray         *test_gradients     (ReformerModel    *model);
/* A tensor of a safetensors file as doubles (from F32 or F64); NULL where it is absent. */
double         *test_read_double   (ReformerSafetensors *file,
                                    const char          *name,
                                    gsize               *n);
/* An I32 tensor of a file on a device. */
ReformerTensor *test_read_tokens   (ReformerSafetensors *file,
                                    const char          *name,
                                    ReformerDevice      *device);

G_END_DECLS
