/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/compute/reformer-device-list.h>

#include "compute/device-state.h"

/**
 * ReformerDeviceList:
 *
 * Every device of every OpenCL platform of the machine, as a [iface@Gio.ListModel] of [class@Device].
 *
 * The devices are looked for when the list is first read. It does not change afterwards; a new list sees new devices. A platform without devices,
 * or whose driver fails, adds none.
 *
 * ```python
 * for device in Reformer.DeviceList():
 *     print(device.props.name, device.props.kernels)
 * ```
 */

struct _ReformerDeviceList
{
  GObject    parent_instance;

  GMutex     lock;
  GPtrArray *devices; /* NULL until the first look */
};

enum
{
  PROP_ITEM_TYPE = 1,
  PROP_N_ITEMS,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

static void list_model_init (GListModelInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (ReformerDeviceList, reformer_device_list, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, list_model_init))

static GPtrArray *
get_devices (ReformerDeviceList *self)
{
  g_mutex_lock (&self->lock);
  if (self->devices == NULL)
    self->devices = reformer_device_enumerate ();
  g_mutex_unlock (&self->lock);

  return self->devices;
}

static GType
get_item_type (GListModel *model)
{
  return REFORMER_TYPE_DEVICE;
}

static guint
get_n_items (GListModel *model)
{
  return get_devices (REFORMER_DEVICE_LIST (model))->len;
}

static gpointer
get_item (GListModel *model,
          guint       position)
{
  GPtrArray *devices = get_devices (REFORMER_DEVICE_LIST (model));

  return position < devices->len ? g_object_ref (devices->pdata[position]) : NULL;
}

static void
list_model_init (GListModelInterface *iface)
{
  iface->get_item_type = get_item_type;
  iface->get_n_items = get_n_items;
  iface->get_item = get_item;
}

static void
reformer_device_list_get_property (GObject    *object,
                                   guint       property,
                                   GValue     *value,
                                   GParamSpec *pspec)
{
  switch (property)
    {
    case PROP_ITEM_TYPE:
      g_value_set_gtype (value, REFORMER_TYPE_DEVICE);
      break;
    case PROP_N_ITEMS:
      g_value_set_uint (value, get_n_items (G_LIST_MODEL (object)));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property, pspec);
    }
}

static void
reformer_device_list_finalize (GObject *object)
{
  ReformerDeviceList *self = REFORMER_DEVICE_LIST (object);

  g_clear_pointer (&self->devices, g_ptr_array_unref);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (reformer_device_list_parent_class)->finalize (object);
}

static void
reformer_device_list_class_init (ReformerDeviceListClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = reformer_device_list_get_property;
  object_class->finalize = reformer_device_list_finalize;

  /**
   * ReformerDeviceList:item-type:
   *
   * The type of the items, [class@Device].
   */
  properties[PROP_ITEM_TYPE] = g_param_spec_gtype ("item-type", NULL, NULL, G_TYPE_OBJECT, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * ReformerDeviceList:n-items:
   *
   * How many devices there are.
   */
  properties[PROP_N_ITEMS] = g_param_spec_uint ("n-items", NULL, NULL, 0, G_MAXUINT, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
reformer_device_list_init (ReformerDeviceList *self)
{
  g_mutex_init (&self->lock);
}

/**
 * reformer_device_list_new:
 *
 * Makes a list of the devices of the machine.
 *
 * Returns: (transfer full): a new list
 */
ReformerDeviceList *
reformer_device_list_new (void)
{
  return g_object_new (REFORMER_TYPE_DEVICE_LIST, NULL);
}
