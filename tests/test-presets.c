/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <libreformer/data/reformer-byte-tokenizer.h>
#include <libreformer/layers/reformer-model-error.h>

#include "folders.h"
#include "mistakes.h"

static ReformerConfig *
preset (const char *name)
{
  g_autoptr (GError) error = NULL;
  ReformerConfig *config = reformer_config_new_preset (name, &error);

  g_assert_no_error (error);
  g_assert_nonnull (config);
  return config;
}

static void
test_list (void)
{
  static const char *const wanted[] = { "bench-lsh", "bench-mixed", "crime-and-punishment", "enwik8", "small", NULL };
  g_auto (GStrv) names = reformer_config_list_presets ();

  g_assert_cmpstrv (names, wanted);
}

static void
test_unknown (void)
{
  static const char *const names[] = { "huge", "", "Small", "small.json", "../presets/small", "reformer-presets.gresource", "a\nb" };
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_assert_null (reformer_config_new_preset (names[i], &error));
      assert_says (&error, REFORMER_MODEL_ERROR, REFORMER_MODEL_ERROR_UNSUPPORTED, "there is no preset \"", "bench-lsh, bench-mixed, crime-and-punishment, enwik8, small", i == 0 ? "\"huge\"" : "", NULL);
    }
}

/* Every preset fits together, and comes back from its own text. */
static void
test_text (void)
{
  g_auto (GStrv) names = reformer_config_list_presets ();

  for (char **name = names; *name != NULL; name++)
    {
      g_autoptr (ReformerConfig) config = preset (*name), again = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *text = NULL, *second = NULL;

      reformer_config_validate (config, &error);
      g_assert_no_error (error);
      text = reformer_config_to_json (config);
      again = reformer_config_new_from_json (text, &error);
      g_assert_no_error (error);
      g_assert_true (reformer_config_equal (config, again));
      second = reformer_config_to_json (again);
      g_assert_cmpstr (text, ==, second);
      g_assert_true (reformer_config_get_is_decoder (config));
      g_assert_cmpint (reformer_config_get_head (config), ==, REFORMER_HEAD_LANGUAGE);
    }
}

/* A planner, for numbers alone are wanted. */
static guint64
count_parameters (const char *name)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerDevice) planner = reformer_device_new_planner (device);
  g_autoptr (ReformerConfig) config = preset (name);
  g_autoptr (ReformerModel) model = reformer_model_new (planner, config);

  return reformer_model_get_n_parameters (model);
}

static void
test_sizes (void)
{
  g_autoptr (ReformerTokenizer) bytes = reformer_byte_tokenizer_new ();
  g_autoptr (ReformerConfig) small = preset ("small");

  g_assert_cmpint (reformer_config_get_vocab_size (small), ==, reformer_tokenizer_count_ids (bytes, NULL));
  g_assert_cmpint (reformer_config_get_max_position_embeddings (small), ==, 65536);
  g_assert_cmpuint (count_parameters ("small"), ==, 991234);
  g_assert_cmpuint (count_parameters ("bench-lsh"), ==, 4799232);
  g_assert_cmpuint (count_parameters ("bench-mixed"), ==, 4995840);
  g_assert_cmpuint (count_parameters ("crime-and-punishment"), ==, 2748224);
  g_assert_cmpuint (count_parameters ("enwik8"), ==, 149182722);
}

static void
test_save (void)
{
  g_autoptr (ReformerDevice) device = test_device ();
  g_autoptr (ReformerConfig) config = preset ("small");
  g_autoptr (ReformerModel) model = reformer_model_new (device, config), loaded = NULL;
  g_autofree char *folder = test_folder_new (), *path = g_build_filename (folder, "model", NULL), *before = NULL, *after = NULL;
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (ReformerTensor) tokens = test_tokens (device, 1, 100, 258), first = NULL, second = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree float *a = NULL, *b = NULL;

  if (test_device_slow (device))
    {
      g_test_skip ("the device is too slow for a model of this size");
      test_folder_delete (folder);
      return;
    }
  first = reformer_model_forward (model, tokens, NULL, &error);
  g_assert_no_error (error);
  reformer_model_save (model, file, NULL, &error);
  g_assert_no_error (error);
  loaded = reformer_model_load (device, file, NULL, &error);
  g_assert_no_error (error);
  second = reformer_model_forward (loaded, tokens, NULL, &error);
  g_assert_no_error (error);
  a = test_floats (first);
  b = test_floats (second);
  assert_same_bits ("logits", b, a, 100 * 258);
  test_folder_delete (folder);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/presets/list", test_list);
  g_test_add_func ("/presets/unknown", test_unknown);
  g_test_add_func ("/presets/text", test_text);
  g_test_add_func ("/presets/sizes", test_sizes);
  g_test_add_func ("/presets/save", test_save);

  return test_run ();
}
