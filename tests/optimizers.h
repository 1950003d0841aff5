/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common.h"

#include "layers/parameter-private.h"

G_BEGIN_DECLS

/* Parameters with values and gradients, for tests of optimizers. */

typedef struct
{
  gsize  n_dims;
  gint64 dims[3];
} TestShape;

static inline gsize
test_count (const TestShape *shape)
{
  gsize n = 1;

  for (gsize i = 0; i < shape->n_dims; i++)
    n *= (gsize) shape->dims[i];
  return n;
}

static inline ReformerParameter *
test_parameter (ReformerDevice  *device,
                const char      *name,
                const TestShape *shape,
                const float     *values)
{
  ReformerParameter *parameter = reformer_parameter_new (device, name, shape->dims, shape->n_dims);
  ReformerRun run = REFORMER_RUN_INIT (device, NULL);

  reformer_run_write (&run, reformer_parameter_value (parameter, &run, 0), values, test_count (shape));
  assert_run (&run);
  return parameter;
}

static inline void
test_set_gradient (ReformerParameter *parameter,
                   const float       *values)
{
  g_autoptr (ReformerDevice) device = NULL;
  ReformerRun run;

  g_object_get (parameter, "device", &device, NULL);
  run = (ReformerRun) REFORMER_RUN_INIT (device, NULL);
  reformer_run_write (&run, reformer_parameter_gradient (parameter, &run, 0), values, reformer_parameter_get_n_elements (parameter));
  assert_run (&run);
}

G_END_DECLS
