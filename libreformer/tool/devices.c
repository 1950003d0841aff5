/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verb.h"

/* reformer devices: what there is to compute on. */

static const char *
kind_of (ReformerDevice *device)
{
  g_autoptr (GEnumClass) kinds = g_type_class_ref (REFORMER_TYPE_DEVICE_KIND);

  return g_enum_get_value (kinds, (int) reformer_device_get_kind (device))->value_nick;
}

static json_t *
to_json (ReformerDevice *device,
         guint           number,
         gboolean        chosen)
{
  return json_pack ("{s:i, s:b, s:o, s:s, s:o, s:o, s:o, s:i, s:I, s:I, s:I, s:s}",
                    "number", (int) number,
                    "default", chosen,
                    "name", tool_json_string (reformer_device_get_name (device)),
                    "kind", kind_of (device),
                    "vendor", tool_json_string (reformer_device_get_vendor (device)),
                    "platform", tool_json_string (reformer_device_get_platform (device)),
                    "driver", tool_json_string (reformer_device_get_driver (device)),
                    "compute_units", (int) reformer_device_get_compute_units (device),
                    "memory_bytes", (json_int_t) reformer_device_get_memory (device),
                    "local_memory_bytes", (json_int_t) reformer_device_get_local_memory (device),
                    "max_allocation_bytes", (json_int_t) reformer_device_get_max_allocation (device),
                    "kernels", reformer_device_get_kernels (device));
}

static char **
to_row (ReformerDevice *device,
        guint           number,
        gboolean        chosen)
{
  char **row = g_new0 (char *, 12);
  guint i = 0;

  row[i++] = g_strdup (chosen ? "*" : "");
  row[i++] = g_strdup_printf ("%u", number);
  row[i++] = g_strdup (reformer_device_get_name (device));
  row[i++] = g_strdup (kind_of (device));
  row[i++] = g_strdup (reformer_device_get_platform (device));
  row[i++] = g_strdup (reformer_device_get_driver (device));
  row[i++] = g_strdup_printf ("%u", reformer_device_get_compute_units (device));
  row[i++] = tool_format_bytes (reformer_device_get_memory (device));
  row[i++] = tool_format_bytes (reformer_device_get_local_memory (device));
  row[i++] = tool_format_bytes (reformer_device_get_max_allocation (device));
  row[i++] = g_strdup (reformer_device_get_kernels (device));
  return row;
}

static int
run (int    argc,
     char **argv)
{
  static const char *const heading[] = { "", "#", "name", "kind", "platform", "driver", "units", "memory", "local", "largest", "kernels", NULL };
  g_autoptr (ReformerDeviceList) list = reformer_device_list_new ();
  g_autoptr (ReformerDevice) chosen = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  gboolean json = FALSE;
  json_t *devices;
  guint n;
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!tool_parse (&tool_verb_devices, entries, argc, argv, NULL, 0, 0))
    return TOOL_USAGE;
  chosen = reformer_device_get_default (&error);
  n = g_list_model_get_n_items (G_LIST_MODEL (list));
  if (n == 0 && error != NULL)
    return tool_fail ("%s", error->message);

  devices = json_array ();
  g_ptr_array_add (rows, g_strdupv ((char **) heading));
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (ReformerDevice) device = g_list_model_get_item (G_LIST_MODEL (list), i);

      json_array_append_new (devices, to_json (device, i, device == chosen));
      g_ptr_array_add (rows, to_row (device, i, device == chosen));
    }
  if (json)
    tool_print_json (json_pack ("{s:O}", "devices", devices));
  else
    tool_print_table (rows, "lrllllrrrrl");
  json_decref (devices);
  if (error != NULL) /* REFORMER_DEVICE names none; the list says which there are */
    return tool_fail ("REFORMER_DEVICE is \"%s\", which is none of these devices", g_getenv ("REFORMER_DEVICE"));
  return TOOL_DONE;
}

const ToolVerb tool_verb_devices = {
  "devices",
  NULL,
  "List the OpenCL devices and mark the default one with a *",
  "A device is chosen by the environment variable REFORMER_DEVICE: cpu, gpu, a number of\n"
  "the list, or part of a name. Units are compute units, local is the memory of a group of\n"
  "work-items, largest the largest tensor.\n"
  "\n"
  "Example:\n"
  "  reformer devices --json",
  run,
};
