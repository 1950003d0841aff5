// SPDX-License-Identifier: LGPL-2.1-or-later
// Data sets, tokenizers, layers, optimizers and schedules that are written in Vala: what they throw, cancellation, memory.

// What every function written here calls first. In the nth call of a function something happens.
class Doing : Object {
    public static string name = "";
    public static int nth = 1;
    public static bool breaks = false;
    public static Cancellable? cancellable = null;
    public static int calls = 0;
    public static bool elsewhere = false;
    public static Thread<int> home;

    public static void enter (string called) throws Error {
        elsewhere = elsewhere || Thread.self<int> () != home;
        if (called != name || ++calls < nth)
            return;
        if (cancellable != null)
            cancellable.cancel ();
        if (breaks)
            throw new Reformer.TrainerError.INVALID ("%s is broken", name);
    }

    public static void begin (string name, int nth = 1, bool breaks = false, Cancellable? cancellable = null) {
        Doing.name = name;
        Doing.nth = nth;
        Doing.breaks = breaks;
        Doing.cancellable = cancellable;
        calls = 0;
    }
}

Reformer.Device device;
File folder;

delegate float Change (float value, int at);

Reformer.Tensor map (Reformer.Tensor tensor, Change change) throws Error {
    var values = tensor.to_floats ();
    for (int i = 0; i < values.length; i++)
        values[i] = change (values[i], i);
    return Reformer.Tensor.from_floats (tensor.device, values, tensor.get_shape ());
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

    public override Reformer.Sample read_sample_of_epoch (int64 index, int length, uint epoch) throws Error {
        Doing.enter ("read_sample_of_epoch");
        return read_sample (index, length);
    }

    public override Reformer.Dataset? get_held_out () throws Error {
        Doing.enter ("get_held_out");
        return new Counting ();
    }

    public override string? identify () throws Error {
        Doing.enter ("identify");
        return "counting";
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

    public override Bytes decode (Bytes ids) throws Error {
        Doing.enter ("decode");
        var text = new ByteArray ();
        for (int i = 0; i < ids.length; i += 4)
            text.append ({ 97 + ids[i] });
        return ByteArray.free_to_bytes ((owned) text);
    }

    public override int count_ids () throws Error {
        Doing.enter ("count_ids");
        return 32;
    }

    public override string identify () throws Error {
        Doing.enter ("identify");
        return "letters";
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
        var slope = parameter.gradient.to_floats ();
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

Reformer.Model make_model () throws Error {
    var config = new Reformer.Config () {
        vocab_size = 32, is_decoder = true, hidden_size = 32, num_attention_heads = 2, attention_head_size = 16, feed_forward_size = 32,
        attn_layers = { "local" }
    };
    config.set_axial_pos_shape ({ 8, 8 });
    config.set_axial_pos_embds_dim ({ 8, 24 });
    var model = new Reformer.Model (device, config);
    model.stack.insert (1, "half", new Half ());
    return model;
}

Reformer.TextDataset text () {
    return new Reformer.TextDataset (folder.get_child ("book.txt"), new Letters ());
}

Reformer.Trainer make_trainer (Reformer.Dataset dataset) throws Error {
    return new Reformer.Trainer (make_model (), dataset) {
        sequence_length = 32, optimizer = new Descent () { learning_rate = 0.1 }, schedule = new Slower ()
    };
}

delegate void Begin (AsyncReadyCallback ready);

// Begins what is asynchronous and waits for its result.
AsyncResult wait (Begin begin) {
    var loop = new MainLoop ();
    AsyncResult? result = null;
    begin ((object, ready) => {
        result = ready;
        loop.quit ();
    });
    loop.run ();
    return result;
}

void train (Reformer.Trainer trainer, uint steps, bool later, Cancellable? cancellable = null) throws Error {
    if (later)
        trainer.train_async.end (wait ((ready) => trainer.train_async.begin (steps, cancellable, (object, result) => ready (object, result))));
    else
        trainer.train (steps, cancellable);
}

void check (bool condition, string text) {
    if (!condition) {
        Test.message ("wrong: %s", text);
        Test.fail ();
    }
}

// ---- What is done with such objects: go() ends it, wherever it was stopped, and its result is always the same ----

abstract class Scene : Object {
    public abstract string go (bool later, Cancellable? cancellable = null) throws Error;

    public virtual void check_stopped (Reformer.StopReason reason) {
    }

    public static Scene make (string name) throws Error {
        switch (name) {
        case "text":
            return new Training (text ());
        case "folder":
            return new Training (new Counting (), true);
        case "text-in-folder":
            return new Training (text (), true);
        case "evaluating":
            return new Evaluating ();
        case "generating":
            return new Generating ();
        default:
            return new Training (new Counting ());
        }
    }
}

class Training : Scene {
    static int n_folders = 0;
    Reformer.Trainer trainer;

    public Training (Reformer.Dataset dataset, bool in_folder = false) throws Error {
        trainer = make_trainer (dataset);
        if (in_folder) {
            trainer.folder = global::folder.get_child ("run-%d".printf (n_folders++));
            trainer.checkpoint_interval = 2;
        }
    }

    public override string go (bool later, Cancellable? cancellable = null) throws Error {
        var losses = new StringBuilder ();
        if (trainer.n_steps < 4)
            train (trainer, 4 - trainer.n_steps, later, cancellable);
        foreach (var record in trainer.history)
            losses.append_printf ("%.17g ", record.loss);
        return losses.str;
    }

    public override void check_stopped (Reformer.StopReason reason) {
        check (trainer.stop_reason == reason && !trainer.running && trainer.n_steps < 4, "it ended after %u steps".printf (trainer.n_steps));
    }
}

class Evaluating : Scene {
    Reformer.Trainer trainer;

    public Evaluating () throws Error {
        trainer = make_trainer (new Counting ());
    }

    public override string go (bool later, Cancellable? cancellable = null) throws Error {
        if (!later)
            return "%.17g".printf (trainer.evaluate (null, cancellable).loss);
        var result = wait ((ready) => trainer.evaluate_async.begin (null, cancellable, (object, result) => ready (object, result)));
        return "%.17g".printf (trainer.evaluate_async.end (result).loss);
    }

    public override void check_stopped (Reformer.StopReason reason) {
        check (!trainer.running, "it ended");
    }
}

class Generating : Scene {
    Reformer.Generator generator;

    public Generating () throws Error {
        generator = new Reformer.Generator (make_model (), new Letters ()) { prompt = "abc", max_tokens = 6, seed = 1 };
    }

    public override string go (bool later, Cancellable? cancellable = null) throws Error {
        if (!later)
            return generator.generate (cancellable);
        return generator.generate_async.end (wait ((ready) => generator.generate_async.begin (cancellable, (object, result) => ready (object, result))));
    }
}

string run (string name, bool later = false) throws Error {
    return Scene.make (name).go (later);
}

struct Function {
    public string scene;
    public string name;
}

const Function[] FUNCTIONS = {
    { "training", "count_samples" }, { "training", "read_sample" }, { "training", "read_sample_of_epoch" }, { "training", "update" }, { "training", "compute_factor" },
    { "training", "forward" }, { "training", "backward" }, { "text", "encode" }, { "text", "count_ids" }, { "folder", "identify" }, { "text-in-folder", "identify" },
    { "evaluating", "get_held_out" }, { "evaluating", "count_samples" }, { "evaluating", "read_sample" }, { "evaluating", "forward" },
    { "generating", "encode" }, { "generating", "decode" }, { "generating", "count_ids" }, { "generating", "forward" }
};

int64 resident () throws Error {
    string text;
    FileUtils.get_contents ("/proc/self/statm", out text);
    return int64.parse (text.split (" ")[1]) * 4;
}

// The living objects of Reformer's classes (live-objects.c).
int live () throws Error {
    string text;
    FileUtils.get_contents (Environment.get_variable ("LIVE_OBJECTS"), out text);
    return int.parse (text.split ("live ")[1]);
}

// It must fail with these words, and go on afterwards to the same result.
void fails (Function function, bool later, int nth, Cancellable? cancellable, string words, string result) throws Error {
    var scene = Scene.make (function.scene);
    Doing.begin (function.name, nth, cancellable == null, cancellable);
    try {
        scene.go (later, cancellable);
        check (false, "%s, %s: nothing was thrown; expected %s".printf (function.scene, function.name, words));
    } catch (Error e) {
        check (words in e.message, e.message);
        check (cancellable == null || e is IOError.CANCELLED, e.message);
    }
    if (cancellable != null || nth == 1)
        scene.check_stopped (cancellable != null ? Reformer.StopReason.CANCELLED : Reformer.StopReason.FAILED);
    Doing.begin ("");
    var again = scene.go (later);
    check (again == result || (function.name == "update" && nth > 1), "%s, %s: %s is not %s".printf (function.scene, function.name, again, result));
}

// Each function in both forms; afterwards there are no more objects than before.
void try_all (bool cancels) throws Error {
    int before = live ();
    foreach (var function in FUNCTIONS) {
        Doing.begin (function.name);
        var result = run (function.scene);
        int calls = Doing.calls;
        check (calls > 0, "nobody calls %s".printf (function.name));
        foreach (bool later in new bool[] { false, true }) {
            if (cancels) {
                fails (function, later, (calls + 1) / 2, new Cancellable (), "cancelled", result);
            } else {
                // in the first call, and in the last one, where it goes on with what the calls before have done
                fails (function, later, 1, null, function.name + " is broken", result);
                fails (function, later, calls, null, function.name + " is broken", result);
            }
            check (live () == before, "%s, %s: %d objects, %d before".printf (function.scene, function.name, live (), before));
        }
    }
}

void test_same () throws Error {
    foreach (var name in new string[] { "training", "text", "folder", "text-in-folder", "evaluating", "generating" }) {
        var one = run (name), two = run (name, true);
        check (one == two, "%s: %s is not %s".printf (name, one, two));
    }
    var losses = run ("training").split (" ");
    check (losses.length == 5 && double.parse (losses[3]) < double.parse (losses[0]), string.joinv (" ", losses));
    check (!Doing.elsewhere, "called in another thread");
}

void test_errors () throws Error {
    try_all (false);
}

void test_cancelled () throws Error {
    try_all (true);
    check (!Doing.elsewhere, "called in another thread");
}

// 1,000 steps, half of them on text; memory and objects stay what they were after the first 100 of each.
void test_memory () throws Error {
    foreach (var dataset in new Reformer.Dataset[] { new Counting (), text () }) {
        var trainer = make_trainer (dataset);
        trainer.history_interval = 100;
        train (trainer, 100, true);
        int64 before = resident ();
        int objects = live () - (int) trainer.history.size;
        train (trainer, 200, false);
        train (trainer, 200, true);
        int64 grown = resident () - before;
        int left = live () - (int) trainer.history.size;
        Test.message ("%d objects, %lld KiB more after 400 steps", left, grown);
        check (trainer.n_steps == 500 && grown < 2048, "%lld KiB more".printf (grown));
        check (left == objects, "%d objects, %d before".printf (left, objects));
    }
}

void test_files () throws Error {
    Process.spawn_command_line_sync ("rm -r " + Shell.quote (folder.get_path ()));
    check (!folder.query_exists (), folder.get_path ());
}

delegate void Attempt () throws Error;

void add (string name, owned Attempt test) {
    Test.add_data_func ("/vala-training/" + name, () => {
        Doing.begin ("");
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
    FileUtils.remove (Environment.get_variable ("LIVE_OBJECTS")); // of an earlier run: it must not be taken for this one's
    try {
        device = Reformer.Device.get_default ();
        folder = File.new_for_path (DirUtils.make_tmp ("reformer-XXXXXX"));
        var book = new StringBuilder ();
        for (int i = 0; i < 20; i++)
            book.append ("the quick brown fox jumps over the lazy dog. ");
        FileUtils.set_contents (folder.get_child ("book.txt").get_path (), book.str);
    } catch (Error e) {
        error ("%s", e.message);
    }
    add ("same", test_same);
    add ("errors", test_errors);
    add ("cancelled", test_cancelled);
    add ("memory", test_memory);
    add ("files", test_files);
    return Test.run ();
}
