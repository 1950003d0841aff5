/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "models/memory-plan-private.h"

#include "compute/device-private.h"

/**
 * ReformerMemoryPlan:
 *
 * The device memory that a run of a model takes at its peak, part by part, found before anything is allocated; see [method@Model.estimate_memory].
 *
 * The same code that runs the model is run on a device that only counts, so that the plan is the account's peak to the byte.
 *
 * ```python
 * plan = trainer.estimate_memory()
 * for part in range(plan.get_n_parts()):
 *     print(plan.get_part_name(part), plan.get_part_bytes(part))
 * print(plan.props.total, "of", plan.props.available, "bytes:", plan.props.fits)
 * ```
 */

struct _ReformerMemoryPlan
{
  GObject       parent_instance;

  guint64       total;
  GArray       *parts; /* ReformerMemoryPart */
  ReformerKeep  keep;
  guint64       largest;
  guint64       available;
  gboolean      fits;
};

enum
{
  PROP_0,
  PROP_TOTAL,
  PROP_KEEP,
  PROP_LARGEST,
  PROP_AVAILABLE,
  PROP_FITS,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (ReformerMemoryPlan, reformer_memory_plan, G_TYPE_OBJECT)

static void
reformer_memory_plan_finalize (GObject *object)
{
  ReformerMemoryPlan *self = REFORMER_MEMORY_PLAN (object);

  g_clear_pointer (&self->parts, g_array_unref);
  G_OBJECT_CLASS (reformer_memory_plan_parent_class)->finalize (object);
}

static void
reformer_memory_plan_get_property (GObject    *object,
                                   guint       id,
                                   GValue     *value,
                                   GParamSpec *pspec)
{
  ReformerMemoryPlan *self = REFORMER_MEMORY_PLAN (object);

  switch (id)
    {
    case PROP_TOTAL:
      g_value_set_uint64 (value, self->total);
      break;
    case PROP_KEEP:
      g_value_set_enum (value, self->keep);
      break;
    case PROP_LARGEST:
      g_value_set_uint64 (value, self->largest);
      break;
    case PROP_AVAILABLE:
      g_value_set_uint64 (value, self->available);
      break;
    case PROP_FITS:
      g_value_set_boolean (value, self->fits);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_memory_plan_class_init (ReformerMemoryPlanClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags readable = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->finalize = reformer_memory_plan_finalize;
  object_class->get_property = reformer_memory_plan_get_property;

  /**
   * ReformerMemoryPlan:total:
   *
   * Bytes at the peak.
   */
  props[PROP_TOTAL] = g_param_spec_uint64 ("total", NULL, NULL, 0, G_MAXUINT64, 0, readable);
  /**
   * ReformerMemoryPlan:keep:
   *
   * What the stack keeps of the forward pass, never `auto`; `nothing` where there is no backward pass.
   */
  props[PROP_KEEP] = g_param_spec_enum ("keep", NULL, NULL, REFORMER_TYPE_KEEP, REFORMER_KEEP_NOTHING, readable);
  /**
   * ReformerMemoryPlan:largest:
   *
   * Bytes of the largest tensor.
   */
  props[PROP_LARGEST] = g_param_spec_uint64 ("largest", NULL, NULL, 0, G_MAXUINT64, 0, readable);
  /**
   * ReformerMemoryPlan:available:
   *
   * Bytes that the model may have: the device's memory, or its memory limit, less what others hold there.
   */
  props[PROP_AVAILABLE] = g_param_spec_uint64 ("available", NULL, NULL, 0, G_MAXUINT64, 0, readable);
  /**
   * ReformerMemoryPlan:fits:
   *
   * Whether the device has room for the peak, and takes tensors as large as the largest.
   */
  props[PROP_FITS] = g_param_spec_boolean ("fits", NULL, NULL, FALSE, readable);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
reformer_memory_plan_init (ReformerMemoryPlan *self)
{
  self->parts = g_array_new (FALSE, FALSE, sizeof (ReformerMemoryPart));
}

ReformerMemoryPlan *
reformer_memory_plan_new_from_device (ReformerDevice *planner,
                                      ReformerKeep    keep,
                                      guint64         available)
{
  ReformerMemoryPlan *self = g_object_new (REFORMER_TYPE_MEMORY_PLAN, NULL);

  self->total = reformer_device_get_memory_peak (planner);
  g_array_unref (self->parts);
  self->parts = reformer_device_get_peak_parts (planner);
  self->keep = keep;
  self->largest = reformer_device_get_largest (planner);
  self->available = available;
  self->fits = self->total <= available && self->largest <= reformer_device_get_max_allocation (planner);
  return self;
}

/**
 * reformer_memory_plan_get_total:
 * @self: a plan
 *
 * Gets bytes at the peak.
 *
 * Returns: bytes at the peak
 */
guint64
reformer_memory_plan_get_total (ReformerMemoryPlan *self)
{
  g_return_val_if_fail (REFORMER_IS_MEMORY_PLAN (self), 0);

  return self->total;
}

/**
 * reformer_memory_plan_get_n_parts:
 * @self: a plan
 *
 * Gets number of parts.
 *
 * Returns: number of parts
 */
guint
reformer_memory_plan_get_n_parts (ReformerMemoryPlan *self)
{
  g_return_val_if_fail (REFORMER_IS_MEMORY_PLAN (self), 0);

  return self->parts->len;
}

/**
 * reformer_memory_plan_get_part_name:
 * @self: a plan
 * @part: which part
 *
 * Gets its name, such as `weights`.
 *
 * Returns: (transfer none) (nullable): its name, such as `weights`, or %NULL where there is no such part
 */
const char *
reformer_memory_plan_get_part_name (ReformerMemoryPlan *self,
                                    guint               part)
{
  g_return_val_if_fail (REFORMER_IS_MEMORY_PLAN (self), NULL);

  return part < self->parts->len ? g_array_index (self->parts, ReformerMemoryPart, part).part : NULL;
}

/**
 * reformer_memory_plan_get_part_bytes:
 * @self: a plan
 * @part: which part
 *
 * Gets its bytes at the peak of the whole.
 *
 * Returns: its bytes at the peak of the whole
 */
guint64
reformer_memory_plan_get_part_bytes (ReformerMemoryPlan *self,
                                     guint               part)
{
  g_return_val_if_fail (REFORMER_IS_MEMORY_PLAN (self), 0);

  return part < self->parts->len ? g_array_index (self->parts, ReformerMemoryPart, part).bytes : 0;
}

/**
 * reformer_memory_plan_get_keep:
 * @self: a plan
 *
 * Gets what the stack keeps of the forward pass, never `auto`; `nothing` where there is no backward pass.
 *
 * Returns: what the stack keeps of the forward pass, never `auto`; `nothing` where there is no backward pass
 */
ReformerKeep
reformer_memory_plan_get_keep (ReformerMemoryPlan *self)
{
  g_return_val_if_fail (REFORMER_IS_MEMORY_PLAN (self), REFORMER_KEEP_NOTHING);

  return self->keep;
}

/**
 * reformer_memory_plan_get_largest:
 * @self: a plan
 *
 * Gets bytes of the largest tensor.
 *
 * Returns: bytes of the largest tensor
 */
guint64
reformer_memory_plan_get_largest (ReformerMemoryPlan *self)
{
  g_return_val_if_fail (REFORMER_IS_MEMORY_PLAN (self), 0);

  return self->largest;
}

/**
 * reformer_memory_plan_get_available:
 * @self: a plan
 *
 * Gets bytes that the model may have of the device's memory, or of its memory limit.
 *
 * Returns: bytes that the model may have of the device's memory, or of its memory limit
 */
guint64
reformer_memory_plan_get_available (ReformerMemoryPlan *self)
{
  g_return_val_if_fail (REFORMER_IS_MEMORY_PLAN (self), 0);

  return self->available;
}

/**
 * reformer_memory_plan_get_fits:
 * @self: a plan
 *
 * Gets whether the device has room for the peak, and takes tensors as large as the largest.
 *
 * Returns: whether the device has room for the peak, and takes tensors as large as the largest
 */
gboolean
reformer_memory_plan_get_fits (ReformerMemoryPlan *self)
{
  g_return_val_if_fail (REFORMER_IS_MEMORY_PLAN (self), FALSE);

  return self->fits;
}

/**
 * reformer_memory_plan_to_string:
 * @self: a plan
 *
 * Gets a table, a part a line, and the total.
 *
 * Returns: (transfer full): a table, a part a line, and the total
 */
char *
reformer_memory_plan_to_string (ReformerMemoryPlan *self)
{
  GString *text;

  g_return_val_if_fail (REFORMER_IS_MEMORY_PLAN (self), NULL);

  text = g_string_new (NULL);
  for (guint i = 0; i < self->parts->len; i++)
    {
      const ReformerMemoryPart *part = &g_array_index (self->parts, ReformerMemoryPart, i);

      if (part->bytes > 0)
        g_string_append_printf (text, "%-16s %10.1f MiB\n", part->part, (double) part->bytes / (1 << 20));
    }
  g_string_append_printf (text, "%-16s %10.1f MiB\n", "total", (double) self->total / (1 << 20));
  return g_string_free (text, FALSE);
}
