// SPDX-License-Identifier: LGPL-2.1-or-later
// Lists, layers and typical mistakes in Vala.

Reformer.Device device;
string mixed;

delegate void Attempt () throws Error;

// Calls what must throw an error whose message has all the words.
Error? fails (string[] words, Attempt attempt) {
    try {
        attempt ();
    } catch (Error e) {
        Test.message ("%s", e.message);
        foreach (var word in words) {
            if (!(word in e.message)) {
                Test.message ("it does not say %s", word);
                Test.fail ();
            }
        }
        return e;
    }
    Test.message ("nothing was thrown; expected %s", string.joinv (", ", words));
    Test.fail ();
    return null;
}

Reformer.Tensor int32s (int32[] values, int64[] shape) throws Error {
    unowned uint8[] bytes = (uint8[]) values;
    bytes.length = values.length * 4;
    return new Reformer.Tensor.from_bytes (device, Reformer.DType.INT32, shape, new Bytes (bytes));
}

Reformer.Tensor ids () throws Error {
    var values = new int32[64];
    for (int i = 0; i < values.length; i++)
        values[i] = (i * 7) % 40;
    return int32s (values, { 1, 64 });
}

Reformer.Model load () throws Error {
    return Reformer.Model.load (device, File.new_for_path (mixed));
}

// A small configuration that is right.
Reformer.Config config () {
    return new Reformer.Config () {
        vocab_size = 40, hidden_size = 32, num_attention_heads = 2, attention_head_size = 16, feed_forward_size = 64, is_decoder = true,
        axial_pos_shape = { 8, 8 }, axial_pos_embds_dim = { 8, 24 }, num_buckets = { 4 }
    };
}

// Both validate () and the first use say what does not fit.
void invalid (string[] words, Reformer.Config config) {
    fails (words, () => { config.validate (); });
    fails (words, () => { new Reformer.Model (device, config).forward (ids (), null); });
}

// Half of a linear map.
class Half : Reformer.Layer {
    public Reformer.Linear inner;
    public string how = "well";

    public Half (Reformer.Device device, int width) {
        Object (device: device, target: 1);
        inner = new Reformer.Linear (device, width, width, true);
        add_child ("inner", inner);
    }

    Reformer.Tensor halve (Reformer.Tensor tensor) throws Error {
        var values = tensor.to_floats ();
        for (int i = 0; i < values.length; i++)
            values[i] /= 2;
        return Reformer.Tensor.from_floats (device, values, tensor.get_shape ());
    }

    public override Reformer.Tensor forward (Reformer.Tensor input, Reformer.Tape tape) throws Error {
        if (how == "throws")
            throw new Reformer.ModelError.FAILED ("not to my taste");
        return halve (inner.forward (input, tape));
    }

    public override Reformer.Tensor backward (Reformer.Tensor gradient, Reformer.Tape tape) throws Error {
        return inner.backward (halve (gradient), tape);
    }
}

// Lengths of words.
class Words : Reformer.Tokenizer {
    public string how = "well";

    public override Bytes encode (Bytes text) throws Error {
        if (how == "throws")
            throw new Reformer.FileError.FAILED ("not my language");
        int32[] ids = {};
        foreach (var word in ((string) text.get_data ()).substring (0, (long) text.get_size ()).split (" "))
            ids += word.length;
        unowned uint8[] bytes = (uint8[]) ids;
        bytes.length = ids.length * 4;
        return new Bytes (bytes);
    }

    public override Bytes decode (Bytes ids) throws Error {
        return new Bytes ("x".data);
    }

    public override int count_ids () {
        return 20;
    }
}

class Numbers : Reformer.Dataset {
    public override int64 count_samples (int length) throws Error {
        return 3;
    }

    public override Reformer.Sample read_sample (int64 index, int length) throws Error {
        var ids = new int[length];
        for (int i = 0; i < length; i++)
            ids[i] = (int) index + i;
        return new Reformer.Sample.from_ids (ids);
    }
}

void add (string name, owned Attempt test) {
    Test.add_data_func ("/vala/" + name, () => {
        try {
            test ();
        } catch (Error e) {
            Test.message ("%s", e.message);
            Test.fail ();
        }
    });
}

void check (bool condition, string text) {
    if (!condition) {
        Test.message ("wrong: %s", text);
        Test.fail ();
    }
}

void add_right () {
    add ("lists", () => {
        var made = config ();
        check (made.num_buckets.length == 1 && made.axial_pos_embds_dim[1] == 24 && made.get_axial_pos_shape ().length == 2, "lists of integers");
        made.class_weights = { 0.5, 2 };
        check (made.class_weights.length == 2 && made.get_class_weights ()[1] == 2, "lists of numbers");
        made.class_weights = {};
        int sum = 0;
        foreach (var size in made.axial_pos_embds_dim)
            sum += size;
        check (sum == 32, "foreach");
        made.attn_layers = { "lsh", "local" };
        check (made.get_n_layers () == 2 && made.validate (), "two layers");
        var position = new Reformer.AxialPosition (device, { 2, 3 }, { 4, 5 });
        check (position.max_length == 6 && position.hidden_size == 9, "axial positions");
        check (position.shape.length == 2 && position.shape[1] == 3 && position.dims[0] == 4 && position.get_dims ()[1] == 5, "lists of axial positions");
        check (load ().get_stack ().get_n_items () == 8, "branches");
        var stack = load ().stack;
        int branches = 0;
        foreach (var branch in stack)
            branches += branch.target < 2 ? 1 : 0;
        check (branches == 8 && stack.size == 8 && stack[7].get_parameters ().size > 0, "%d branches".printf (branches));
        var devices = new Reformer.DeviceList ();
        int found = 0;
        foreach (var each in devices)
            found += each.compute_units > 0 ? 1 : 0;
        check (found > 0 && found == devices.size && devices[0].name != "", "%d devices".printf (found));
        var parameters = load ().get_parameters ();
        check (parameters.size == 53 && parameters.size == parameters.get_n_items (), "%d parameters".printf (parameters.size));
        check (parameters[52].name == "lm_head.bias", parameters[52].name);
    });
    add ("floats", () => {
        var tensor = Reformer.Tensor.from_floats (device, { 1.5f, -2, 3 }, { 3, 1 });
        var values = tensor.to_floats ();
        check (tensor.get_shape ()[0] == 3 && values.length == 3 && values[0] == 1.5f && values[2] == 3, tensor.to_string ());
        fails ({ "[4]", "12 bytes" }, () => { Reformer.Tensor.from_floats (device, { 1, 2, 3 }, { 4 }); });
        fails ({ "int32 [1, 64]", "float32" }, () => { ids ().to_floats (); });
    });
    // What a constructor does not take is set behind it, and nothing needs a cast.
    add ("initialisers", () => {
        var tape = new Reformer.Tape (device) { training = true, seed = 3 };
        var lsh = new Reformer.LshAttention (device, 8, 2, 4) { num_hashes = 2, num_buckets = { 4, 2 }, chunk_length = 4, num_chunks_after = 1, causal = true, dropout = 0.1 };
        var local = new Reformer.LocalAttention (device, 8, 2, 4) { chunk_length = 4, circular = true, attention_probs_dropout = 0.1, layer_norm_eps = 1e-5 };
        var feed_forward = new Reformer.FeedForward (device, 8, 16) { hidden_act = "gelu", dropout = 0.1, deviation = 0.5 };
        var norm = new Reformer.LayerNorm (device, 8) { eps = 1e-3 };
        var linear = new Reformer.Linear (device, 8, 3, false) { deviation = 0.25 };
        var embedding = new Reformer.Embedding (device, 40, 8) { deviation = 0.3, dropout = 0.2 };
        var table = new Reformer.PositionTable (device, 16, 8) { deviation = 0.3 };
        var axial = new Reformer.AxialPosition (device, { 4, 4 }, { 3, 5 }) { deviation = 0.3 };
        var stack = new Reformer.Stack (device) { streams = 1, keep = Reformer.Keep.INPUTS };
        check (lsh.num_buckets.length == 2 && lsh.num_buckets[0] == 4 && lsh.num_hashes == 2 && lsh.causal && lsh.chunk_length == 4, "LSH");
        check (local.circular && feed_forward.hidden_act == "gelu" && stack.streams == 1 && norm.eps == 1e-3 && embedding.dropout == 0.2, "others");
        stack.insert (0, "lsh", lsh);
        stack.insert (1, "local", local);
        stack.insert (2, "feed-forward", feed_forward);
        var x = axial.forward (table.forward (embedding.forward (int32s ({ 1, 2, 3, 4, 5, 6, 7, 8 }, { 1, 8 }), tape), tape), tape);
        var y = linear.forward (norm.forward (stack.forward (x, tape), tape), tape);
        check (y.n_elements == 24 && y.n_bytes == 96, y.to_string ());
        var trainer = new Reformer.Trainer (load (), new Numbers ()) {
            sequence_length = 8, optimizer = new Reformer.AdamW () { learning_rate = 0.01 }, schedule = new Reformer.Schedule () { warmup_steps = 2 }
        };
        uint last = 0;
        trainer.step.connect ((record) => { last = record.step; });
        trainer.train (2);
        check (last == 2 && trainer.history[1].step == 2 && trainer.history.size == 2, "%u steps".printf (last));
        var text = new Reformer.TextDataset (File.new_for_path (mixed + "/config.json"), null) { held_out_fraction = 0.5 };
        check (text.held_out_fraction == 0.5 && text.count_samples (16) == text.get_held_out ().count_samples (16), "halves");
    });
    add ("output", () => {
        var output = load ().forward (ids (), null);
        check (output.get_shape ().length == 3 && output.get_shape ()[2] == 40 && output.n_elements == 64 * 40, output.to_string ());
    });
    add ("inspection", () => {
        var model = load ();
        var inspection = new Reformer.Inspection (model);
        inspection.run (ids (), null);
        check (inspection.get_n_layers () == model.get_config ().attn_layers.length, "%u layers".printf (inspection.get_n_layers ()));
        for (uint layer = 0; layer < inspection.get_n_layers (); layer++) {
            check (inspection.get_kind (layer) == model.get_config ().attn_layers[layer], inspection.get_kind (layer));
            var head = inspection.measure (layer, 0).get_child_value (1);
            double coverage = 0;
            check (head.lookup ("coverage", "d", out coverage) && coverage > 0, head.print (false));
            int token = -1, round = -1;
            double weight = 0;
            inspection.list_keys (layer, 0, 0, 40, 1).get_child (0, "(iid)", out token, out round, out weight);
            check (token >= 0 && token <= 40 && weight > 0, "%d %d %g".printf (token, round, weight));
        }
        fails ({ "layer: 9", "wanted 0 to" }, () => { inspection.get_buckets (9); });
        var branch = model.stack[2];
        double before = model.compute_loss (ids (), null, ids ());
        branch.ablated = true;
        check (model.compute_loss (ids (), null, ids ()) != before && branch.ablated, "left out");
    });
    add ("data", () => {
        var words = new Words ();
        check (words.encode_text ("a bb ccc").length == 3 && words.decode_text ({ 1 }) == "x", "words");
        words.how = "throws";
        fails ({ "not my language" }, () => { words.encode_text ("a"); });
        var numbers = new Numbers ();
        check (numbers.count_samples (4) == 3 && numbers.get_held_out () == null && numbers.identify () == null, "numbers");
        check (numbers.read_sample (1, 4).tokens.get_size () == 16, "a sample");
        fails ({ "sample -1", "Numbers" }, () => { numbers.read_sample (-1, 4); });
        var text = new Reformer.TextDataset (File.new_for_path ("/nowhere/book.txt"), words);
        var error = fails ({ "/nowhere/book.txt" }, () => { text.count_samples (4); });
        var lines = new Reformer.LabelledDataset (File.new_for_path (mixed + "/config.json")) { labels = Reformer.Labelling.NONE, held_out_fraction = 0, columns = { "a" } };
        check (lines.count_samples (64) > 5 && lines.list_classes ().length == 0 && lines.count_labels () == 0 && lines.columns[0] == "a", "lines");
        lines.labels = Reformer.Labelling.CLASS;
        fails ({ "config.json: line 1", "has no tab" }, () => { lines.count_samples (64); });
        var masked = new Reformer.MaskedDataset (numbers) { n_ids = 9, mask_id = 8, fraction = 1, seed = 5 };
        check (masked.read_sample_of_epoch (1, 4, 2).labels.get_size () == 16, "masked");
        check (new Reformer.AlphabetTokenizer ("ACGT").encode_text ("tA")[0] == 5, "letters");
        check (error is Reformer.FileError.NOT_FOUND && text.held_out_fraction == 0.1, "a FileError");
        var pieces = new Reformer.SentencePieceTokenizer.from_file (File.new_for_path (Environment.get_variable ("G_TEST_SRCDIR") + "/sentencepiece/plain.model"), null);
        check (pieces.count_ids () == 160 && pieces.decode_text (pieces.encode_text ("the café")) == "the café", "pieces");
        fails ({ "wants 5 bytes" }, () => { new Reformer.SentencePieceTokenizer.from_bytes (new Bytes ({ 0x0a, 5 })); });
        check (new Reformer.ByteTokenizer ().count_ids () == new Reformer.Config.preset ("small").vocab_size, "a preset");
    });
    add ("layer", () => {
        var model = load ();
        var layer = new Half (device, 32);
        model.stack.insert (2, "mine", layer);
        double first = model.compute_gradients (ids (), null, ids ());
        for (int step = 0; step < 5; step++) {
            foreach (var parameter in model.get_parameters ()) {
                var values = parameter.value.to_floats (), slopes = parameter.gradient.to_floats ();
                for (int j = 0; j < values.length; j++)
                    values[j] -= 0.1f * slopes[j];
                parameter.value.upload (Reformer.Tensor.from_floats (device, values, { values.length }).to_bytes ());
            }
            model.compute_gradients (ids (), null, ids ());
        }
        double last = model.compute_loss (ids (), null, ids ());
        check (last < first - 0.2, "the loss went from %g to %g".printf (first, last));
        layer.how = "throws";
        fails ({ "not to my taste" }, () => { model.forward (ids (), null); });
        layer.how = "well";
        check (model.compute_loss (ids (), null, ids ()) == last, "nothing is lost");
    });
}

void add_input () {
    add ("dtype", () => {
        var model = load ();
        fails ({ "tokens", "float32", "int32" }, () => { model.forward (Reformer.Tensor.from_floats (device, new float[64], { 1, 64 }), null); });
        fails ({ "mask", "float32" }, () => { model.forward (ids (), Reformer.Tensor.from_floats (device, new float[64], { 1, 64 })); });
    });
    add ("shape", () => {
        var model = load ();
        fails ({ "tokens", "[64]", "[B, T]" }, () => { model.forward (int32s (new int32[64], { 64 }), null); });
        fails ({ "mask", "[1, 3]", "[1, 64]" }, () => { model.forward (ids (), int32s ({ 1, 1, 1 }, { 1, 3 })); });
    });
    add ("id", () => {
        var model = load ();
        fails ({ "40", "position 1", "0 to 39" }, () => { model.forward (int32s ({ 1, 40 }, { 1, 2 }), null); });
    });
    add ("labels", () => {
        var model = load ();
        fails ({ "labels", "no target" }, () => { model.compute_gradients (int32s ({ 1, 2 }, { 1, 2 }), null, int32s ({ -100, -100 }, { 1, 2 })); });
    });
    add ("too-long", () => {
        var model = load ();
        fails ({ "65", "64", "axial_pos_shape" }, () => { model.forward (int32s (new int32[65], { 1, 65 }), null); });
    });
}

void add_files () {
    add ("missing-folder", () => {
        var error = fails ({ "/nowhere/model" }, () => { Reformer.Model.load (device, File.new_for_path ("/nowhere/model")); });
        check (error is Reformer.FileError, "a FileError");
    });
    add ("truncated", () => {
        var folder = DirUtils.make_tmp ("reformer-XXXXXX");
        uint8[] data;
        FileUtils.get_data (mixed + "/config.json", out data);
        FileUtils.set_data (folder + "/config.json", data);
        FileUtils.get_data (mixed + "/model.safetensors", out data);
        FileUtils.set_data (folder + "/model.safetensors", data[0:1000]);
        fails ({ "model.safetensors" }, () => { Reformer.Model.load (device, File.new_for_path (folder)); });
        FileUtils.set_contents (folder + "/config.json", "{\"model_type\": \"reformer\", \"hidden_size\": \"x\"}");
        fails ({ "hidden_size", "x" }, () => { Reformer.Model.load (device, File.new_for_path (folder)); });
        FileUtils.unlink (folder + "/config.json");
        FileUtils.unlink (folder + "/model.safetensors");
        DirUtils.remove (folder);
    });
    add ("cancelled", () => {
        var cancellable = new Cancellable ();
        cancellable.cancel ();
        var error = fails ({}, () => { Reformer.Model.load (device, File.new_for_path (mixed), cancellable); });
        check (error is IOError.CANCELLED, "cancelled");
    });
}

void add_settings () {
    add ("buckets", () => {
        var wrong = config ();
        wrong.attn_layers = { "lsh" };
        wrong.num_buckets = { 7 };
        invalid ({ "num_buckets", "7", "even" }, wrong);
    });
    add ("activation", () => {
        var wrong = config ();
        wrong.hidden_act = "prelu";
        invalid ({ "hidden_act", "prelu" }, wrong);
    });
    add ("sizes", () => {
        var wrong = config ();
        wrong.axial_pos_embds_dim = { 8, 23 };
        invalid ({ "axial_pos_embds_dim", "31" }, wrong);
        wrong = config ();
        wrong.vocab_size = -5;
        invalid ({ "vocab_size", "-5" }, wrong);
        wrong = config ();
        wrong.attn_layers = { "global" };
        invalid ({ "attn_layers", "global" }, wrong);
    });
    add ("head", () => {
        var wrong = config ();
        wrong.head = Reformer.Head.MASKED_LANGUAGE;
        fails ({ "is_decoder", "masked" }, () => { new Reformer.Model (device, wrong).prepare (); });
        var bare = config ();
        bare.head = Reformer.Head.NONE;
        fails ({ "head", "loss" }, () => { new Reformer.Model (device, bare).compute_loss (ids (), null, ids ()); });
    });
}

void add_objects () {
    add ("tensors", () => {
        fails ({ "[4]", "16 bytes", "12 bytes" }, () => { int32s ({ 1, 2, 3 }, { 4 }); });
        fails ({ "[2, -1]", "-1" }, () => { new Reformer.Tensor (device, Reformer.DType.FLOAT32, { 2, -1 }); });
        var error = fails ({ "bytes" }, () => { new Reformer.Tensor (device, Reformer.DType.FLOAT32, { 1 << 20, 1 << 24 }); });
        check (error is Reformer.DeviceError.OUT_OF_MEMORY, "out of memory");
    });
    add ("devices", () => {
        var error = fails ({ "voodoo" }, () => { Reformer.Device.find ("voodoo"); });
        check (error is Reformer.DeviceError.NOT_FOUND, "not found");
    });
    add ("stack", () => {
        var model = load ();
        fails ({ "99", "0 to 8" }, () => { model.stack.insert (99, "mine", new Half (device, 32)); });
        fails ({ "8" }, () => { model.stack.remove (8); });
        fails ({ "name" }, () => { model.stack.insert (0, "", new Half (device, 32)); });
    });
    add ("layers", () => {
        var tape = new Reformer.Tape (device);
        var linear = new Reformer.Linear (device, 3, 2, true);
        fails ({ "ReformerLinear", "[1, 4]", "3" }, () => { linear.forward (Reformer.Tensor.from_floats (device, new float[4], { 1, 4 }), tape); });
        fails ({ "ReformerLinear", "tape" }, () => { linear.backward (Reformer.Tensor.from_floats (device, new float[2], { 1, 2 }), tape); });
    });
    add ("closed", () => {
        var model = load ();
        var tokens = ids ();
        device.close ();
        var error = fails ({ "closed" }, () => { model.forward (tokens, null); });
        check (error is Reformer.DeviceError.LOST, "lost");
        fails ({ "closed" }, () => { tokens.to_bytes (); });
        device = Reformer.Device.get_default ();
        check (ids ().n_elements == 64, "opened again");
    });
}

int main (string[] args) {
    Test.init (ref args);
    mixed = Path.build_filename (Environment.get_variable ("G_TEST_SRCDIR"), "golden", "mixed");
    try {
        device = Reformer.Device.get_default ();
    } catch (Error e) {
        error ("%s", e.message);
    }
    add_right ();
    add_input ();
    add_files ();
    add_settings ();
    add_objects ();
    return Test.run ();
}
