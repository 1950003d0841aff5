/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The number of compute units changes no bit: the program runs itself again with PoCL on one core and on two, and compares what they print. */
#include "models.h"

#include <stdio.h>
#include <string.h>

/* Loss and gradients as text: the bits of the loss, and a hash of all gradients. */
static char *
compute (void)
{
  const int shape[2] = { 64, 64 };
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = test_config ("lsh,local,lsh");
  g_autoptr (ReformerModel) model = NULL;
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 2, 2100, 40);
  g_autoptr (GArray) values = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *hash = NULL;
  union { double number; guint64 bits; } loss;

  g_object_set (config, "hidden-dropout-prob", 0.1, "lsh-attention-probs-dropout-prob", 0.1, NULL);
  reformer_config_set_axial_pos_shape (config, shape, 2);
  model = reformer_model_new (device, config);
  loss.number = reformer_model_compute_gradients (model, tokens, NULL, tokens, &error);
  g_assert_no_error (error);
  values = test_gradients (model);
  hash = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) values->data, values->len * sizeof (float));
  return g_strdup_printf ("%016" G_GINT64_MODIFIER "x %s", loss.bits, hash);
}

static void
test_units (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autofree char *here = NULL;

  if (strstr (reformer_device_get_platform (device), "Portable Computing Language") == NULL)
    {
      g_test_skip ("only PoCL can be told how many cores to use");
      return;
    }
  here = compute ();
  g_assert_cmpuint (strlen (here), ==, 16 + 1 + 64);
  assert_same_elsewhere (device, here);
}

int
main (int    argc,
      char **argv)
{
  if (argc == 2 && strcmp (argv[1], "--print") == 0)
    {
      g_autofree char *line = compute ();

      fputs (line, stdout);
      return 0;
    }
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bits/compute-units", test_units);
  return test_run ();
}
