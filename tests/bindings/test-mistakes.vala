// SPDX-License-Identifier: LGPL-2.1-or-later
// Mistakes that a Vala compiler lets pass: each throws an error that names the thing, the value and what was wanted, and nothing is lost by it.
// G_DEBUG=fatal-criticals ends the process where a mistake is only a critical message.

Reformer.Device device;
string mixed;

delegate void Attempt () throws Error;

// Calls what must throw an error of one line that has all the words.
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
        if ("\n" in e.message)
            Test.fail ();
        return e;
    }
    Test.message ("nothing was thrown; expected %s", string.joinv (", ", words));
    Test.fail ();
    return null;
}

void check (bool condition, string text) {
    if (!condition) {
        Test.message ("wrong: %s", text);
        Test.fail ();
    }
}

void add (string name, owned Attempt test) {
    Test.add_data_func ("/vala-mistakes/" + name, () => {
        try {
            test ();
        } catch (Error e) {
            Test.message ("%s", e.message);
            Test.fail ();
        }
    });
}

Reformer.Tensor int32s (int32[] values, int64[] shape) throws Error {
    unowned uint8[] bytes = (uint8[]) values;
    bytes.length = values.length * 4;
    return new Reformer.Tensor.from_bytes (device, Reformer.DType.INT32, shape, new Bytes (bytes));
}

Reformer.Tensor zeros (int64[] shape) throws Error {
    int64 n = 4;
    foreach (var size in shape)
        n *= size;
    return new Reformer.Tensor.from_bytes (device, Reformer.DType.FLOAT32, shape, new Bytes (new uint8[n]));
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

// What the functions written here do wrong.
enum How { WELL, NOTHING, MUCH, THROWS }

class Numbers : Reformer.Dataset {
    public How how = How.WELL;

    public override int64 count_samples (int length) throws Error {
        if (how == How.THROWS)
            throw new Reformer.FileError.FAILED ("no such count");
        return how == How.NOTHING ? -1 : 4;
    }

    public override Reformer.Sample read_sample (int64 index, int length) throws Error {
        return new Reformer.Sample.from_ids (new int[how == How.MUCH ? length + 3 : length]);
    }
}

class Wrong : Reformer.Layer {
    public How how = How.WELL;

    public Wrong () {
        Object (device: global::device);
    }

    public override Reformer.Tensor forward (Reformer.Tensor input, Reformer.Tape tape) throws Error {
        if (how == How.THROWS)
            throw new Reformer.ModelError.FAILED ("not to my taste");
        return how == How.MUCH ? zeros ({ 2 }) : input;
    }

    public override Reformer.Tensor backward (Reformer.Tensor gradient, Reformer.Tape tape) throws Error {
        return gradient;
    }
}

class Bare : Reformer.Layer {
}

class Steps : Reformer.Schedule {
    public override void compute_factor (uint step, uint total_steps, out double factor) throws Error {
        factor = double.NAN;
    }
}

Reformer.Trainer trainer (Numbers numbers = new Numbers ()) throws Error {
    return new Reformer.Trainer (load (), numbers) { sequence_length = 8 };
}

// What the callback of an asynchronous call gets.
delegate void Start (AsyncReadyCallback callback);

AsyncResult result_of (Start start) {
    var loop = new MainLoop ();
    AsyncResult? given = null;
    start ((object, result) => {
        given = result;
        loop.quit ();
    });
    loop.run ();
    return given;
}

void add_values () {
    add ("out-of-range", () => {
        var one = trainer ();
        one.batch_size = 0;
        fails ({ "batch-size", "0", "1 to 65536" }, () => { one.train (1); });
        one.batch_size = 1;
        one.optimizer = new Reformer.AdamW () { learning_rate = -1 };
        fails ({ "learning-rate", "-1" }, () => { one.train (1); });
        one.optimizer = null;
        fails ({ "0 steps", "at least 1" }, () => { one.train (0); });
        one.train (1);
        var generator = new Reformer.Generator (load (), null) { prompt = "\x01", temperature = -1 };
        fails ({ "temperature", "-1" }, () => { generator.generate (); });
        var text = new Reformer.TextDataset (File.new_for_path (mixed + "/config.json"), null) { held_out_fraction = 2 };
        fails ({ "held-out-fraction", "2", "0.9" }, () => { text.count_samples (8); });
        fails ({ "[2, -1]", "-1" }, () => { new Reformer.Tensor (device, Reformer.DType.FLOAT32, { 2, -1 }); });
        fails ({ "77" }, () => { new Reformer.Tensor (device, (Reformer.DType) 77, { 2 }); });
    });
    add ("configuration", () => {
        var config = new Reformer.Config () { vocab_size = -5 };
        fails ({ "vocab_size", "-5" }, () => { config.validate (); });
        config = new Reformer.Config () { attn_layers = { "lsh", "nothing" } };
        fails ({ "attn_layers", "nothing" }, () => { config.validate (); });
        config = new Reformer.Config () { num_buckets = { 7 } };
        fails ({ "num_buckets", "7", "even" }, () => { config.validate (); });
        fails ({ "no preset", "large", "small" }, () => { new Reformer.Config.preset ("large"); });
        fails ({ "hidden_size" }, () => { new Reformer.Config.from_json ("{\"model_type\": \"reformer\", \"hidden_size\": \"x\"}"); });
    });
    add ("dtype-and-shape", () => {
        var model = load ();
        fails ({ "tokens", "float32", "int32" }, () => { model.forward (zeros ({ 1, 64 }), null); });
        fails ({ "tokens", "[64]", "[B, T]" }, () => { model.forward (ids ().reshape ({ 64 }), null); });
        fails ({ "[4]", "16 bytes", "12 bytes" }, () => { int32s ({ 1, 2, 3 }, { 4 }); });
        fails ({ "12 bytes", "2 bytes" }, () => { int32s ({ 1, 2, 3 }, { 3 }).upload (new Bytes ({ 1, 2 })); });
        fails ({ "40", "position 1", "0 to 39" }, () => { model.forward (int32s ({ 1, 40 }, { 1, 2 }), null); });
    });
    add ("settings-too-late", () => {
        var layer = new Reformer.LshAttention (device, 8, 2, 4) { num_hashes = 2, chunk_length = 4, num_buckets = { 4, 2 } };
        var tape = new Reformer.Tape (device);
        layer.forward (zeros ({ 1, 8, 8 }), tape);
        check (layer.fixed, "it was used");
        layer.num_hashes = 3;
        fails ({ "num-hashes of ReformerLshAttention", "before" }, () => { layer.forward (zeros ({ 1, 8, 8 }), tape); });
        check (layer.num_hashes == 2 && layer.forward (zeros ({ 1, 8, 8 }), tape).n_elements == 64, "as it was");
    });
}

void add_functions () {
    add ("wrong-results", () => {
        var numbers = new Numbers () { how = How.MUCH };
        var one = trainer (numbers);
        fails ({ "Numbers", "11 ids", "from 1 to 8" }, () => { one.train (1); });
        numbers.how = How.NOTHING;
        fails ({ "count_samples of Numbers", "-1" }, () => { one.train (1); });
        numbers.how = How.THROWS;
        fails ({ "no such count" }, () => { one.train (1); });
        numbers.how = How.WELL;
        one.schedule = new Steps ();
        fails ({ "factor at step 1", "nan" }, () => { one.train (1); });
        one.schedule = null;
        var model = one.model;
        var wrong = new Wrong () { how = How.MUCH };
        model.stack.insert (1, "mine", wrong);
        fails ({ "forward of Wrong", "[2]", "[1, 64, 32]" }, () => { model.forward (ids (), null); });
        wrong.how = How.THROWS;
        fails ({ "not to my taste" }, () => { model.forward (ids (), null); });
        wrong.how = How.WELL;
        fails ({ "Bare", "forward" }, () => { new Bare ().forward (ids (), new Reformer.Tape (device)); });
        one.train (1);
    });
    add ("wrong-finish", () => {
        var one = trainer (), other = trainer ();
        var result = result_of ((callback) => { one.evaluate_async.begin (new Numbers (), null, callback); });
        fails ({ "train_finish of ReformerTrainer", "another call", "train_async" }, () => { one.train_async.end (result); });
        fails ({ "evaluate_finish of ReformerTrainer", "another call or object" }, () => { other.evaluate_async.end (result); });
        var evaluation = one.evaluate_async.end (result);
        check (evaluation.loss > 0 && evaluation.accuracy <= 1 && evaluation.macro_f1.is_nan (), "the right one");
        fails ({ "evaluate_finish", "finished before", "once" }, () => { one.evaluate_async.end (result); });
    });
    add ("twice-at-once", () => {
        var one = trainer ();
        var loop = new MainLoop ();
        one.train_async.begin (3, null, (object, result) => {
            try {
                check (one.train_async.end (result), "the first");
            } catch (Error e) {
                Test.fail ();
            }
            loop.quit ();
        });
        fails ({ "train" }, () => { one.train (1); });
        loop.run ();
        check (one.n_steps == 3, "three steps");
    });
    add ("cancelled", () => {
        var cancellable = new Cancellable ();
        cancellable.cancel ();
        check (fails ({}, () => { trainer ().train (1, cancellable); }) is IOError.CANCELLED, "cancelled");
    });
}

void add_order () {
    add ("order", () => {
        var linear = new Reformer.Linear (device, 2, 2, true);
        fails ({ "backward of ReformerLinear", "forward must come first" }, () => { linear.backward (zeros ({ 1, 2 }), new Reformer.Tape (device)); });
        fails ({ "no folder" }, () => { trainer ().save_checkpoint (); });
        fails ({ "no folder" }, () => { trainer ().resume (); });
    });
    add ("twice", () => {
        var stack = load ().stack;
        var branch = new Reformer.FeedForward (device, 32, 8);
        stack.insert (0, "mine", branch);
        fails ({ "'mine'", "already" }, () => { stack.insert (0, "mine", new Reformer.FeedForward (device, 32, 8)); });
        fails ({ "'yours'", "already" }, () => { stack.insert (0, "yours", branch); });
        fails ({ "99", "0 to 9" }, () => { stack.insert (99, "theirs", new Reformer.FeedForward (device, 32, 8)); });
    });
    add ("files", () => {
        check (fails ({ "/nowhere/model" }, () => { Reformer.Model.load (device, File.new_for_path ("/nowhere/model")); }) is Reformer.FileError, "a FileError");
        fails ({ "/nowhere/book.txt" }, () => { new Reformer.TextDataset (File.new_for_path ("/nowhere/book.txt"), null).count_samples (8); });
        fails ({ "/nowhere" }, () => { load ().save (File.new_for_path ("/nowhere/model")); });
        fails ({ "http://example.org/model", "local" }, () => { Reformer.Model.load (device, File.new_for_uri ("http://example.org/model")); });
    });
    add ("closed", () => {
        var model = load ();
        var tokens = ids ();
        device.close ();
        check (fails ({ "closed" }, () => { model.forward (tokens, null); }) is Reformer.DeviceError.LOST, "lost");
        fails ({ "closed" }, () => { tokens.to_bytes (); });
        device = Reformer.Device.get_default ();
        check (load ().forward (ids (), null).n_elements == 64 * 40, "opened again");
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
    add_values ();
    add_functions ();
    add_order ();
    return Test.run ();
}
