// SPDX-License-Identifier: LGPL-2.1-or-later
// Training with a data set, tokenizer, layer, optimizer and schedule that are written in Vala: what they throw, cancellation, memory.

// What every function written here calls first.
class Doing : Object {
    public static string broken = "";
    public static string cancelling = "";
    public static int calls = 0;
    public static Cancellable cancellable;
    public static bool elsewhere = false;
    public static Thread<int> home;

    public static void enter (string name) throws Error {
        elsewhere = elsewhere || Thread.self<int> () != home;
        if (name == broken)
            throw new Reformer.TrainerError.INVALID ("%s is broken", name);
        if (name == cancelling && ++calls == 3)
            cancellable.cancel ();
    }

    public static void nothing () {
        broken = cancelling = "";
        calls = 0;
        cancellable = new Cancellable ();
    }
}

Reformer.Device device;

delegate float Change (float value, int at);

float[] floats_of (Reformer.Tensor tensor) throws Error {
    var bytes = tensor.to_bytes ();
    var values = new float[bytes.length / 4];
    Memory.copy (values, bytes.get_data (), bytes.length);
    return values;
}

Reformer.Tensor map (Reformer.Tensor tensor, Change change) throws Error {
    var values = floats_of (tensor);
    for (int i = 0; i < values.length; i++)
        values[i] = change (values[i], i);
    var made = new Reformer.Tensor (tensor.device, Reformer.DType.FLOAT32, tensor.get_shape ());
    made.upload_pointer (values, values.length * sizeof (float));
    return made;
}

class Counting : Reformer.Dataset {
    public override int64 count_samples (int length) throws Error {
        Doing.enter ("count_samples");
        return 50;
    }

    public override Reformer.Sample read_sample (int64 index, int length) throws Error {
        Doing.enter ("read_sample");
        int[] ids = {};
        for (int i = 0; i < length; i++)
            ids += (int) ((index + i) % 32);
        return new Reformer.Sample.from_ids (ids);
    }
}

class Letters : Reformer.Tokenizer {
    public override Bytes encode (Bytes text) throws Error {
        Doing.enter ("encode");
        var ids = new ByteArray ();
        foreach (uint8 letter in text.get_data ())
            ids.append ({ letter % 32, 0, 0, 0 });
        return ByteArray.free_to_bytes ((owned) ids);
    }

    public override int count_ids () {
        return 32;
    }
}

class Half : Reformer.Layer {
    public Half () {
        Object (device: global::device, target: 1);
    }

    public override Reformer.Tensor forward (Reformer.Tensor input, Reformer.Tape tape) throws Error {
        Doing.enter ("forward");
        return map (input, (x) => x / 2);
    }

    public override Reformer.Tensor backward (Reformer.Tensor gradient, Reformer.Tape tape) throws Error {
        Doing.enter ("backward");
        return map (gradient, (x) => x / 2);
    }
}

class Descent : Reformer.Optimizer {
    public override bool update (Reformer.Parameter parameter, uint step, double learning_rate, double scale) throws Error {
        Doing.enter ("update");
        var slope = floats_of (parameter.gradient);
        return parameter.value.upload (map (parameter.value, (x, i) => (float) (x - learning_rate * scale * slope[i])).to_bytes ());
    }
}

class Slower : Reformer.Schedule {
    public override void compute_factor (uint step, uint total_steps, out double factor) throws Error {
        factor = 0;
        Doing.enter ("compute_factor");
        factor = 1.0 / step;
    }
}

Reformer.Trainer make (Reformer.Dataset dataset = new Counting ()) throws Error {
    var config = new Reformer.Config () {
        vocab_size = 32, is_decoder = true, hidden_size = 32, num_attention_heads = 2, attention_head_size = 16, feed_forward_size = 32,
        attn_layers = { "local" }
    };
    config.set_axial_pos_shape ({ 8, 8 });
    config.set_axial_pos_embds_dim ({ 8, 24 });
    var model = new Reformer.Model (device, config);
    model.stack.insert (1, "half", new Half ());
    return new Reformer.Trainer (model, dataset) { sequence_length = 32, optimizer = new Descent () { learning_rate = 0.1 }, schedule = new Slower () };
}

void train (Reformer.Trainer trainer, uint steps, bool later) throws Error {
    if (!later) {
        trainer.train (steps, Doing.cancellable);
        return;
    }
    var loop = new MainLoop ();
    AsyncResult? result = null;
    trainer.train_async.begin (steps, Doing.cancellable, (object, ready) => {
        result = ready;
        loop.quit ();
    });
    loop.run ();
    trainer.train_async.end (result);
}

string losses (Reformer.Trainer trainer) {
    var text = new StringBuilder ();
    foreach (var record in trainer.history)
        text.append_printf ("%.17g ", record.loss);
    return text.str;
}

void check (bool condition, string text) {
    if (!condition) {
        Test.message ("wrong: %s", text);
        Test.fail ();
    }
}

// It must fail with these words, and go on afterwards.
void fails (Reformer.Trainer trainer, uint steps, bool later, string words, Reformer.StopReason reason) throws Error {
    try {
        train (trainer, steps, later);
        check (false, "nothing was thrown; expected %s".printf (words));
    } catch (Error e) {
        check (words in e.message, e.message);
    }
    check (trainer.stop_reason == reason && !trainer.running, "it ended");
    Doing.nothing ();
    train (trainer, steps - trainer.n_steps, later);
    check (trainer.n_steps == steps, "%u steps".printf (trainer.n_steps));
}

int64 resident () throws Error {
    string text;
    FileUtils.get_contents ("/proc/self/statm", out text);
    return int64.parse (text.split (" ")[1]) * 4;
}

const string[] FUNCTIONS = { "read_sample", "update", "compute_factor", "forward", "backward" };

void test_same () throws Error {
    var one = make (), two = make ();
    train (one, 6, false);
    train (two, 6, true);
    check (losses (one) == losses (two) && one.history.size == 6, "%s is not %s".printf (losses (one), losses (two)));
    check (one.history[5].loss < one.history[0].loss, losses (one));
    check (!Doing.elsewhere, "called in another thread");
}

void test_errors () throws Error {
    for (int later = 0; later < 2; later++) {
        Doing.broken = "count_samples";
        fails (make (), 2, later == 1, "count_samples is broken", Reformer.StopReason.FAILED);
        foreach (var name in FUNCTIONS) {
            Doing.broken = name;
            fails (make (), 2, later == 1, name + " is broken", Reformer.StopReason.FAILED);
        }
    }
}

void test_tokenizer () throws Error {
    FileIOStream stream;
    var file = File.new_tmp ("reformer-XXXXXX", out stream);
    stream.output_stream.write_all (string.nfill (900, 'x').data, null);
    stream.close ();
    for (int later = 0; later < 2; later++) {
        Doing.broken = "encode";
        fails (make (new Reformer.TextDataset (file, new Letters ())), 2, later == 1, "encode is broken", Reformer.StopReason.FAILED);
    }
    file.@delete ();
}

void test_cancelled () throws Error {
    var whole = make ();
    train (whole, 4, false);
    for (int later = 0; later < 2; later++) {
        foreach (var name in FUNCTIONS) {
            var trainer = make ();
            Doing.cancelling = name;
            fails (trainer, 4, later == 1, "cancelled", Reformer.StopReason.CANCELLED);
            check (losses (trainer) == losses (whole), "%s: %s is not %s".printf (name, losses (trainer), losses (whole)));
        }
    }
}

void test_memory () throws Error {
    var trainer = make ();
    trainer.history_interval = 100;
    train (trainer, 300, true);
    int64 before = resident ();
    train (trainer, 350, false);
    train (trainer, 350, true);
    int64 grown = resident () - before;
    Test.message ("%lld KiB more after 700 steps", grown);
    check (trainer.n_steps == 1000 && grown < 2048, "%lld KiB more".printf (grown));
}

delegate void Attempt () throws Error;

void add (string name, owned Attempt test) {
    Test.add_data_func ("/vala-training/" + name, () => {
        Doing.nothing ();
        try {
            test ();
        } catch (Error e) {
            Test.message ("%s", e.message);
            Test.fail ();
        }
    });
}

int main (string[] args) {
    Test.init (ref args);
    Doing.home = Thread.self<int> ();
    try {
        device = Reformer.Device.get_default ();
    } catch (Error e) {
        error ("%s", e.message);
    }
    add ("same", test_same);
    add ("errors", test_errors);
    add ("tokenizer", test_tokenizer);
    add ("cancelled", test_cancelled);
    add ("memory", test_memory);
    return Test.run ();
}
