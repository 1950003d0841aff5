/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libreformer/data/reformer-labelled-dataset.h>

#include <libreformer/files/reformer-file-error.h>

#include "compute/home.h"
#include "data/labelled-private.h"
#include "files/reading.h"

/**
 * ReformerLabelledDataset:
 *
 * Sequences of a file, each with a label: lines, a table (CSV), or FASTA; text, letters, or numbers.
 *
 * The file may be packed by gzip, which is seen from its first bytes, whatever its name is, and may lie wherever GIO reads from. A packed or distant file is copied first, unpacked, to a
 * temporary file without a name (where `TMPDIR` says); a plain local one is read in place and must not change meanwhile.
 *
 * # Formats
 *
 * - *Lines*: a label, a tab, and the text up to the end of the line. Lines with nothing but blanks are passed over in every format.
 * - *CSV*, by RFC 4180: the first row names the columns; [property@LabelledDataset:columns] has the sequence, [property@LabelledDataset:label-columns] the label. A field with separators, quotes
 *   or ends of lines stands in quotes, and a quote within it twice. All rows have as many fields as the first.
 * - *FASTA*: a header `>name label`, of which the label is all that follows the first blank, or with [property@LabelledDataset:label-columns] the values of its words `KEY=VALUE`; then lines of
 *   letters, in which blanks do not count. The tokenizer is an [class@AlphabetTokenizer] of ACGTN, unless another one is given.
 * - *Folder*: a folder has a folder for each class, named like it, and in it a file for each text; hidden ones are passed over. They are copied to a temporary file.
 *
 * # Labels
 *
 * [property@LabelledDataset:labels] says what a label is, and with it what [property@Sample:labels] has:
 *
 * - *class*: a name. Classes are numbered in the order of their names by bytes, or, where all names are whole numbers, by size; [property@LabelledDataset:classes] gives another
 *   order, and refuses all other names. [method@LabelledDataset.list_classes] says which is which.
 * - *numbers*: one or several, separated by commas or blanks, or in several columns; `nan` where there is none.
 * - *classes*: names separated by commas, or none; or several columns of 0 and 1, one for each class.
 * - *span*: the numbers of the first and the last id of the span, from 0 on, as `4,7` or in two columns; -100 twice where there is none.
 * - *tokens*: the name of a class for each id, separated by commas or blanks; -100 where nothing is asked.
 * - *values*: a number for each id, separated by commas or blanks, `nan` where there is none; several columns give several numbers for each id.
 *
 * # Length
 *
 * Of a sequence that is longer than a sample the beginning is taken, or, with [property@LabelledDataset:split], it makes several samples with the same label, each of them, but the last, as long as
 * a sample may be. What is asked of single ids is cut with them; a span that does not lie within one sample is no target there. Shorter sequences are padded, and masked, by the trainer.
 *
 * # What is wrong
 *
 * The first use reads all of the file, and is an error where something in it is wrong: the message has the line and the column. In memory remain 24 bytes for each sequence (32 with
 * [property@LabelledDataset:split], 4 more for a part) and the names of classes. A sequence has at most 256 MiB; with those of numbers all are looked at too.
 *
 * # Parts
 *
 * Of the sequences a tenth ([property@LabelledDataset:held-out-fraction]) is left to [method@Dataset.get_held_out]: chosen at random, the same ones each time, because files often have one class after
 * the other. [method@Dataset.identify] gives size and SHA-256 of the unpacked file, the settings, the tokenizer, and the part. All functions may be called from any thread.
 *
 * ```python
 * with open("moods.csv", "w") as table:
 *     table.write("text,label\nwhat a day,good\nrain again,bad\n" * 20)
 * moods = Reformer.LabelledDataset(file=Gio.File.new_for_path("moods.csv"))
 * print(moods.count_samples(64), "samples of", moods.list_classes())
 * ```
 */

G_DEFINE_ENUM_TYPE (ReformerDataFormat, reformer_data_format,
                    G_DEFINE_ENUM_VALUE (REFORMER_DATA_FORMAT_AUTO, "auto"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DATA_FORMAT_LINES, "lines"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DATA_FORMAT_CSV, "csv"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DATA_FORMAT_FASTA, "fasta"),
                    G_DEFINE_ENUM_VALUE (REFORMER_DATA_FORMAT_FOLDER, "folder"))

G_DEFINE_ENUM_TYPE (ReformerLabelling, reformer_labelling,
                    G_DEFINE_ENUM_VALUE (REFORMER_LABELLING_NONE, "none"),
                    G_DEFINE_ENUM_VALUE (REFORMER_LABELLING_CLASS, "class"),
                    G_DEFINE_ENUM_VALUE (REFORMER_LABELLING_NUMBERS, "numbers"),
                    G_DEFINE_ENUM_VALUE (REFORMER_LABELLING_CLASSES, "classes"),
                    G_DEFINE_ENUM_VALUE (REFORMER_LABELLING_SPAN, "span"),
                    G_DEFINE_ENUM_VALUE (REFORMER_LABELLING_TOKENS, "tokens"),
                    G_DEFINE_ENUM_VALUE (REFORMER_LABELLING_VALUES, "values"))

GParamSpec *reformer_labelled_properties[REFORMER_LABELLED_N];

G_DEFINE_FINAL_TYPE (ReformerLabelledDataset, reformer_labelled_dataset, REFORMER_TYPE_DATASET)

/* ---- Index and samples ---- */

static gboolean
check_tokenizer (ReformerLabelledDataset  *self,
                 ReformerTokenizer        *tokenizer,
                 GError                  **error)
{
  if (tokenizer != NULL || self->settings.numbers)
    return TRUE;
  g_set_error (error, REFORMER_FILE_ERROR, REFORMER_FILE_ERROR_INVALID, "a LabelledDataset has no tokenizer; wanted one, or numbers");
  return FALSE;
}

/* The index of the settings as they are. */
static ReformerLabelledIndex *
get_index (ReformerLabelledDataset  *self,
           GError                  **error)
{
  static char *none[] = { NULL };
  ReformerTokenizer *tokenizer = reformer_dataset_get_tokenizer (REFORMER_DATASET (self));
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  if (!reformer_labelled_check_settings (self, error) || !check_tokenizer (self, tokenizer, error))
    return NULL;
  if (self->settings.numbers)
    tokenizer = NULL;
  if (self->index == NULL || reformer_labelled_index_get_tokenizer (self->index) != tokenizer)
    {
      ReformerLabelledSettings settings = self->settings;

      settings.format = reformer_labelled_find_format (self->file, settings.format);
      settings.separator = reformer_labelled_find_separator (self->file, self->separator);
      settings.folder = settings.format == REFORMER_DATA_FORMAT_FOLDER;
      if (settings.folder)
        {
          settings.format = REFORMER_DATA_FORMAT_CSV;
          settings.separator = ',';
          settings.columns = settings.label_columns = none;
        }
      g_clear_pointer (&self->index, reformer_labelled_index_unref);
      self->index = reformer_labelled_index_new (self->file, &settings, tokenizer);
    }
  return reformer_labelled_index_ref (self->index);
}

/* The samples of a length. The file is read without the lock. */
static ReformerLabelledView *
get_view (ReformerLabelledDataset  *self,
          int                       length,
          GError                  **error)
{
  g_autoptr (ReformerLabelledIndex) index = get_index (self, error);
  g_autoptr (ReformerLabelledView) view = NULL;
  gboolean split;
  double fraction;

  if (index == NULL)
    return NULL;
  g_mutex_lock (&self->mutex);
  if (self->view != NULL && reformer_labelled_view_get_index (self->view) == index && reformer_labelled_view_get_length (self->view) == length)
    view = reformer_labelled_view_ref (self->view);
  split = self->settings.split;
  fraction = self->fraction;
  g_mutex_unlock (&self->mutex);
  if (view != NULL)
    return g_steal_pointer (&view);
  view = reformer_labelled_view_new (index, fraction, self->held_out, split, length, error);
  if (view == NULL)
    return NULL;
  g_mutex_lock (&self->mutex);
  if (self->index == index && self->fraction == fraction) /* not set meanwhile */
    {
      g_clear_pointer (&self->view, reformer_labelled_view_unref);
      self->view = reformer_labelled_view_ref (view);
    }
  g_mutex_unlock (&self->mutex);
  return g_steal_pointer (&view);
}

/* ---- What a data set does ---- */

static gint64
reformer_labelled_dataset_count_samples (ReformerDataset  *dataset,
                                         int               length,
                                         GError          **error)
{
  g_autoptr (ReformerLabelledView) view = get_view (REFORMER_LABELLED_DATASET (dataset), length, error);

  if (view != NULL)
    return reformer_labelled_view_count_samples (view);
  reformer_file_tidy (error);
  return -1;
}

static ReformerSample *
reformer_labelled_dataset_read_sample (ReformerDataset  *dataset,
                                       gint64            index,
                                       int               length,
                                       GError          **error)
{
  g_autoptr (ReformerLabelledView) view = get_view (REFORMER_LABELLED_DATASET (dataset), length, error);
  ReformerSample *sample = view != NULL ? reformer_labelled_view_read_sample (view, index, error) : NULL;

  if (sample == NULL)
    reformer_file_tidy (error);
  return sample;
}

static ReformerDataset *
reformer_labelled_dataset_get_held_out (ReformerDataset  *dataset,
                                        GError          **error)
{
  ReformerLabelledDataset *self = REFORMER_LABELLED_DATASET (dataset), *other;
  g_autoptr (ReformerLabelledIndex) index = get_index (self, error);
  double fraction;

  if (index == NULL)
    {
      reformer_file_tidy (error);
      return NULL;
    }
  g_mutex_lock (&self->mutex);
  fraction = self->fraction;
  g_mutex_unlock (&self->mutex);
  if (self->held_out || fraction == 0)
    return NULL;
  other = g_object_new (REFORMER_TYPE_LABELLED_DATASET, "file", self->file, "tokenizer", reformer_dataset_get_tokenizer (dataset), "held-out-fraction", fraction, NULL);
  g_mutex_lock (&self->mutex);
  reformer_labelled_settings_clear (&other->settings);
  reformer_labelled_settings_copy (&other->settings, &self->settings);
  g_free (other->separator);
  other->separator = g_strdup (self->separator);
  g_mutex_unlock (&self->mutex);
  if (other->usual != NULL) /* numbers: it made one for itself */
    {
      g_clear_object (&other->usual);
      reformer_dataset_set_tokenizer (REFORMER_DATASET (other), NULL);
    }
  other->held_out = TRUE;
  other->index = g_steal_pointer (&index);
  return REFORMER_DATASET (other);
}

/* The settings that make samples of the file, in one line. */
static char *
describe (ReformerLabelledDataset *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);
  const ReformerLabelledSettings *settings = &self->settings;
  g_autofree char *columns = g_strjoinv (",", settings->columns), *labels = g_strjoinv (",", settings->label_columns), *classes = g_strjoinv (",", settings->classes);
  g_autofree char *all = g_strdup_printf ("%d %d %d %s %s %s %d", (int) reformer_labelled_find_format (self->file, settings->format), reformer_labelled_find_separator (self->file, self->separator), settings->features, columns,
                                          labels, classes, settings->split);
  g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, all, -1);
  g_autoptr (GEnumClass) kinds = g_type_class_ref (REFORMER_TYPE_LABELLING);

  return g_strdup_printf ("label %s, settings %.16s", g_enum_get_value (kinds, (int) settings->kind)->value_nick, hash);
}

static char *
describe_tokenizer (ReformerTokenizer  *tokenizer,
                    GError            **error)
{
  g_autofree char *identity = tokenizer != NULL ? reformer_tokenizer_identify (tokenizer, error) : g_strdup ("none (numbers)");

  return identity != NULL ? reformer_file_quote (identity) : NULL; /* one line */
}

static char *
reformer_labelled_dataset_identify (ReformerDataset  *dataset,
                                    GError          **error)
{
  ReformerLabelledDataset *self = REFORMER_LABELLED_DATASET (dataset);
  g_autoptr (ReformerLabelledView) view = get_view (self, G_MAXINT, error);
  ReformerLabelledIndex *index = view != NULL ? reformer_labelled_view_get_index (view) : NULL;
  g_autofree char *name = index != NULL ? describe_tokenizer (reformer_labelled_index_get_tokenizer (index), error) : NULL, *settings = NULL;
  const char *hash = NULL;
  guint64 size;

  if (name != NULL && reformer_text_file_get_size (reformer_labelled_index_get_file (index), &size, error))
    hash = reformer_text_file_get_hash (reformer_labelled_index_get_file (index), error);
  if (hash == NULL)
    {
      reformer_file_tidy (error);
      return NULL;
    }
  settings = describe (self);
  return g_strdup_printf ("labelled sequences of %" G_GUINT64_FORMAT " bytes, sha256 %s, %s, tokenizer %s, %s part of %u sequences", size, hash, settings, name,
                          self->held_out ? "held-out" : "training", reformer_labelled_view_count_records (view));
}

/* ---- The object ---- */

static void
reformer_labelled_dataset_constructed (GObject *object)
{
  G_OBJECT_CLASS (reformer_labelled_dataset_parent_class)->constructed (object);
  reformer_labelled_choose_tokenizer (REFORMER_LABELLED_DATASET (object));
}

static void
reformer_labelled_dataset_finalize (GObject *object)
{
  ReformerLabelledDataset *self = REFORMER_LABELLED_DATASET (object);

  g_clear_object (&self->file);
  g_clear_object (&self->usual);
  g_mutex_clear (&self->mutex);
  reformer_labelled_settings_clear (&self->settings);
  g_clear_pointer (&self->separator, g_free);
  g_clear_pointer (&self->index, reformer_labelled_index_unref);
  g_clear_pointer (&self->view, reformer_labelled_view_unref);
  G_OBJECT_CLASS (reformer_labelled_dataset_parent_class)->finalize (object);
}

static void
reformer_labelled_dataset_get_property (GObject    *object,
                                        guint       id,
                                        GValue     *value,
                                        GParamSpec *pspec)
{
  ReformerLabelledDataset *self = REFORMER_LABELLED_DATASET (object);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  switch (id)
    {
    case REFORMER_LABELLED_FILE:
      g_value_set_object (value, self->file);
      break;
    case REFORMER_LABELLED_FORMAT:
      g_value_set_enum (value, (int) self->settings.format);
      break;
    case REFORMER_LABELLED_LABELS:
      g_value_set_enum (value, (int) self->settings.kind);
      break;
    case REFORMER_LABELLED_COLUMNS:
      g_value_set_boxed (value, self->settings.columns);
      break;
    case REFORMER_LABELLED_LABEL_COLUMNS:
      g_value_set_boxed (value, self->settings.label_columns);
      break;
    case REFORMER_LABELLED_CLASSES:
      g_value_set_boxed (value, self->settings.classes);
      break;
    case REFORMER_LABELLED_SEPARATOR:
      g_value_set_string (value, self->separator);
      break;
    case REFORMER_LABELLED_NUMBERS:
      g_value_set_boolean (value, self->settings.numbers);
      break;
    case REFORMER_LABELLED_FEATURES:
      g_value_set_int (value, self->settings.features);
      break;
    case REFORMER_LABELLED_SPLIT:
      g_value_set_boolean (value, self->settings.split);
      break;
    case REFORMER_LABELLED_HELD_OUT_FRACTION:
      g_value_set_double (value, self->fraction);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_labelled_dataset_set_property (GObject      *object,
                                        guint         id,
                                        const GValue *value,
                                        GParamSpec   *pspec)
{
  ReformerLabelledDataset *self = REFORMER_LABELLED_DATASET (object);

  switch (id)
    {
    case REFORMER_LABELLED_FILE:
      self->file = g_value_dup_object (value);
      break;
    case REFORMER_LABELLED_FORMAT:
      reformer_labelled_dataset_set_format (self, (ReformerDataFormat) g_value_get_enum (value));
      break;
    case REFORMER_LABELLED_LABELS:
      reformer_labelled_dataset_set_labels (self, (ReformerLabelling) g_value_get_enum (value));
      break;
    case REFORMER_LABELLED_COLUMNS:
      reformer_labelled_dataset_set_columns (self, g_value_get_boxed (value));
      break;
    case REFORMER_LABELLED_LABEL_COLUMNS:
      reformer_labelled_dataset_set_label_columns (self, g_value_get_boxed (value));
      break;
    case REFORMER_LABELLED_CLASSES:
      reformer_labelled_dataset_set_classes (self, g_value_get_boxed (value));
      break;
    case REFORMER_LABELLED_SEPARATOR:
      reformer_labelled_dataset_set_separator (self, g_value_get_string (value));
      break;
    case REFORMER_LABELLED_NUMBERS:
      reformer_labelled_dataset_set_numbers (self, g_value_get_boolean (value));
      break;
    case REFORMER_LABELLED_FEATURES:
      reformer_labelled_dataset_set_features (self, g_value_get_int (value));
      break;
    case REFORMER_LABELLED_SPLIT:
      reformer_labelled_dataset_set_split (self, g_value_get_boolean (value));
      break;
    case REFORMER_LABELLED_HELD_OUT_FRACTION:
      reformer_labelled_dataset_set_held_out_fraction (self, g_value_get_double (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
reformer_labelled_dataset_class_init (ReformerLabelledDatasetClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  ReformerDatasetClass *dataset_class = REFORMER_DATASET_CLASS (klass);

  reformer_home_own (klass);
  object_class->constructed = reformer_labelled_dataset_constructed;
  object_class->finalize = reformer_labelled_dataset_finalize;
  object_class->get_property = reformer_labelled_dataset_get_property;
  object_class->set_property = reformer_labelled_dataset_set_property;
  dataset_class->count_samples = reformer_labelled_dataset_count_samples;
  dataset_class->read_sample = reformer_labelled_dataset_read_sample;
  dataset_class->get_held_out = reformer_labelled_dataset_get_held_out;
  dataset_class->identify = reformer_labelled_dataset_identify;

  /**
   * ReformerLabelledDataset:file:
   *
   * The file, packed by gzip or not, or the folder, anywhere GIO reads from.
   */
  reformer_labelled_properties[REFORMER_LABELLED_FILE] = g_param_spec_object ("file", NULL, NULL, G_TYPE_FILE, G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * ReformerLabelledDataset:format:
   *
   * How the file is written; default: what its name says.
   */
  reformer_labelled_properties[REFORMER_LABELLED_FORMAT] = g_param_spec_enum ("format", NULL, NULL, REFORMER_TYPE_DATA_FORMAT, REFORMER_DATA_FORMAT_AUTO, flags);
  /**
   * ReformerLabelledDataset:labels:
   *
   * What a label is; default: a class.
   */
  reformer_labelled_properties[REFORMER_LABELLED_LABELS] = g_param_spec_enum ("labels", NULL, NULL, REFORMER_TYPE_LABELLING, REFORMER_LABELLING_CLASS, flags);
  /**
   * ReformerLabelledDataset:columns:
   *
   * The columns of a table that have the sequence: one with text, or with [property@LabelledDataset:numbers] one or several. Empty, the default: `text`, or if there is none `sequence`.
   */
  reformer_labelled_properties[REFORMER_LABELLED_COLUMNS] = g_param_spec_boxed ("columns", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * ReformerLabelledDataset:label-columns:
   *
   * The columns of a table, or in FASTA the keys in headers, that have the label. Empty, the default: `label`, or in FASTA the rest of the header.
   */
  reformer_labelled_properties[REFORMER_LABELLED_LABEL_COLUMNS] = g_param_spec_boxed ("label-columns", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * ReformerLabelledDataset:classes:
   *
   * The names of the classes in the order of their numbers; another name is an error. Empty, the default: those that are in the file, in order.
   */
  reformer_labelled_properties[REFORMER_LABELLED_CLASSES] = g_param_spec_boxed ("classes", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * ReformerLabelledDataset:separator:
   *
   * What stands between the fields of a table: one sign of ASCII. Empty, the default: a comma, or a tab where the name of the file ends with `.tsv` or `.tsv.gz`.
   */
  reformer_labelled_properties[REFORMER_LABELLED_SEPARATOR] = g_param_spec_string ("separator", NULL, NULL, "", flags);
  /**
   * ReformerLabelledDataset:numbers:
   *
   * Whether sequences are numbers, separated by commas or blanks or in several columns, and samples have vectors in place of ids. Default: no.
   */
  reformer_labelled_properties[REFORMER_LABELLED_NUMBERS] = g_param_spec_boolean ("numbers", NULL, NULL, FALSE, flags);
  /**
   * ReformerLabelledDataset:features:
   *
   * How many numbers that follow each other are one vector, from 1 to 65,536; default 1.
   */
  reformer_labelled_properties[REFORMER_LABELLED_FEATURES] = g_param_spec_int ("features", NULL, NULL, 1, REFORMER_LABELLED_MAX_FEATURES, 1, flags);
  /**
   * ReformerLabelledDataset:split:
   *
   * Whether a sequence that is longer than a sample makes several samples; else its beginning is taken, which is the default.
   */
  reformer_labelled_properties[REFORMER_LABELLED_SPLIT] = g_param_spec_boolean ("split", NULL, NULL, FALSE, flags);
  /**
   * ReformerLabelledDataset:held-out-fraction:
   *
   * The part of the sequences that is left to [method@Dataset.get_held_out], rounded down; 0 holds nothing out. Default 0.1.
   */
  reformer_labelled_properties[REFORMER_LABELLED_HELD_OUT_FRACTION] = g_param_spec_double ("held-out-fraction", NULL, NULL, 0, REFORMER_LABELLED_MAX_FRACTION, 0.1, flags);
  g_object_class_install_properties (object_class, REFORMER_LABELLED_N, reformer_labelled_properties);
}

static void
reformer_labelled_dataset_init (ReformerLabelledDataset *self)
{
  g_mutex_init (&self->mutex);
  self->settings = (ReformerLabelledSettings) {
    .format = REFORMER_DATA_FORMAT_AUTO,
    .kind = REFORMER_LABELLING_CLASS,
    .features = 1,
    .columns = g_new0 (char *, 1),
    .label_columns = g_new0 (char *, 1),
    .classes = g_new0 (char *, 1),
  };
  self->separator = g_strdup ("");
  self->fraction = 0.1;
}

/**
 * reformer_labelled_dataset_new:
 * @file: a file
 *
 * Creates a data set that reads a file. The file is looked at when the data set is first used.
 *
 * Returns: (transfer full): a new data set
 */
ReformerLabelledDataset *
reformer_labelled_dataset_new (GFile *file)
{
  g_return_val_if_fail (G_IS_FILE (file), NULL);

  return g_object_new (REFORMER_TYPE_LABELLED_DATASET, "file", file, NULL);
}

/* ---- What the file has ---- */

/**
 * reformer_labelled_dataset_list_classes:
 * @self: a data set
 * @error: return location for an error
 *
 * Lists the names of the classes in the order of their numbers; reads the file where that was not done yet.
 *
 * Returns: (transfer full) (array zero-terminated=1): names, none where labels are no classes; or %NULL with @error set: [error@FileError]
 */
char **
reformer_labelled_dataset_list_classes (ReformerLabelledDataset  *self,
                                        GError                  **error)
{
  g_autoptr (ReformerLabelledIndex) index = NULL;
  const ReformerClasses *classes;

  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), NULL);

  index = get_index (self, error);
  if (index == NULL || reformer_labelled_index_read (index, error) == 0)
    {
      reformer_file_tidy (error);
      return NULL;
    }
  classes = reformer_labelled_index_get_classes (index);
  return classes->names != NULL ? g_strdupv (classes->names) : g_new0 (char *, 1);
}

/**
 * reformer_labelled_dataset_count_labels:
 * @self: a data set
 * @error: return location for an error
 *
 * Counts what a model has to say for these labels, [property@Config:num-labels]: the classes, or the numbers of a label; 2 for spans. Reads the file where that was not done yet.
 *
 * Returns: the number of labels, 0 without labels; or -1 with @error set: [error@FileError]
 */
int
reformer_labelled_dataset_count_labels (ReformerLabelledDataset  *self,
                                        GError                  **error)
{
  g_autoptr (ReformerLabelledIndex) index = NULL;

  g_return_val_if_fail (REFORMER_IS_LABELLED_DATASET (self), -1);

  index = get_index (self, error);
  if (index != NULL && reformer_labelled_index_read (index, error) > 0)
    return (int) reformer_labelled_index_get_classes (index)->n_labels;
  reformer_file_tidy (error);
  return -1;
}
