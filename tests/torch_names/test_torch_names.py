"""Programs for PyTorch find what they import, in minigen's terms, or are told what is missing."""

import io
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import minigen
import minigen.torch_names as torch
from minigen import Tensor


def test_every_way_to_import_finds_the_same():
    import minigen.torch_names.backends.cudnn as cudnn
    import minigen.torch_names.nn as nn
    import minigen.torch_names.nn.functional as F
    import minigen.torch_names.nn.parallel
    import minigen.torch_names.optim.lr_scheduler as lr_scheduler
    import minigen.torch_names.utils.data
    from minigen.torch_names.autograd import Variable, grad
    from minigen.torch_names.nn import functional, init
    from minigen.torch_names.optim.lr_scheduler import StepLR
    from minigen.torch_names.utils.data import DataLoader, Dataset, random_split

    from minigen.torch_names import nn as again
    from minigen.torch_names import optim

    assert nn is again is torch.nn and F is functional is torch.nn.functional
    assert (nn.Linear, F.relu) == (minigen.nn.Linear, minigen.functional.relu)
    assert init.normal_ is minigen.nn.init.normal_ and grad is minigen.grad
    assert StepLR is lr_scheduler.StepLR is minigen.optim.lr_scheduler.StepLR
    assert optim.Adam is minigen.optim.Adam
    assert DataLoader is minigen.data.DataLoader and Dataset is minigen.data.Dataset
    assert random_split is torch.utils.data.random_split
    assert isinstance(Variable(torch.ones(2)), Tensor)
    cudnn.benchmark = True
    assert torch.backends.cudnn.benchmark is True
    import minigen.torch_names.functional

    assert minigen.torch_names.functional.stack is minigen.stack
    with pytest.raises(ImportError, match="torch_names.zeros is no module"):
        import minigen.torch_names.zeros
    # What was imported is still called what it is.
    assert minigen.functional.__spec__.name == "minigen.functional"
    assert minigen.nn.__name__ == minigen.nn.__spec__.name == "minigen.nn"
    import minigen.torch_names.nn.modules.init

    assert minigen.nn.init.__spec__.name == "minigen.nn.init"


FILES = [
    ("autograd.variable", "Variable", torch.autograd.Variable),
    ("autograd.function", "Function", torch.autograd.Function),
    ("distributions", "kl_divergence", torch.distributions.kl_divergence),
    ("distributions.kl", "kl_divergence", torch.distributions.kl_divergence),
    ("distributions.normal", "Normal", torch.distributions.Normal),
    ("nn.init", "xavier_uniform", minigen.nn.init.xavier_uniform_),
    ("nn.init", "_calculate_fan_in_and_fan_out", minigen.nn.init.fans),
    ("nn.modules.batchnorm", "_BatchNorm", minigen.nn.BatchNorm1d.__base__),
    ("nn.modules.loss", "_Loss", minigen.nn.L1Loss.__base__),
    ("nn.modules.conv", "Conv2d", minigen.nn.Conv2d),
    ("nn.modules.conv", "_ConvNd", minigen.nn.ConvTranspose1d.__base__.__base__),
    ("nn.modules.module", "Module", minigen.nn.Module),
    ("special", "expit", minigen.sigmoid),
    ("special", "expm1", minigen.expm1),
    ("nn.utils", "clip_grad_norm", minigen.nn.utils.clip_grad_norm_),
    ("nn.utils.clip_grad", "clip_grad_norm_", minigen.nn.utils.clip_grad_norm_),
    ("optim.adam", "Adam", minigen.optim.Adam),
    ("optim.lr_scheduler", "_LRScheduler", minigen.optim.lr_scheduler.LRScheduler),
    ("optim.optimizer", "Optimizer", minigen.optim.Optimizer),
]


@pytest.mark.parametrize(("file", "name", "meant"), FILES)
def test_what_files_of_pytorch_hold_is_imported_from_them(file, name, meant):
    names = {}
    exec(f"from minigen.torch_names.{file} import {name} as found", names)
    assert names["found"] is meant


def test_sides_are_made_pairs():
    from minigen.torch_names.nn.modules.utils import _pair

    assert _pair(3) == (3, 3) and _pair([1, 2]) == _pair(range(1, 3)) == (1, 2)


def test_what_is_asked_for_before_it_is_used_says_no_or_does_nothing():
    assert not torch.distributed.is_available() and not torch.distributed.is_initialized()
    with torch.nn.attention.sdpa_kernel([torch.nn.attention.SDPBackend.MATH]):
        assert torch.distributed.ReduceOp.SUM is not torch.distributed.ReduceOp.MAX


def test_several_tensors_are_walked_back_at_once():
    x = torch.ones(2, requires_grad=True)
    y = x * x
    torch.autograd.backward([y.sum(), y], [None, torch.tensor([1.0, 3.0])])
    assert x.grad.tolist() == [4, 8]
    with pytest.raises(RuntimeError, match="freed"):
        torch.autograd.backward(y.sum())


MISSING = [
    ("torch.linalg.svd", "minigen has no linalg.svd"),
    ("torch.nope", "minigen has no nope"),
    ("torch.distributions.Beta", "minigen has no distributions.Beta"),
    ("torch.distributions.Catagorical", "did you mean distributions.Categorical?"),
    ("torch.zeroes", "minigen has no zeroes; did you mean zeros?"),
    ("torch.nn.LSTM", "minigen has no nn.LSTM"),
    ("torch.nn.Conv2D", "minigen has no nn.Conv2D; did you mean nn.Conv2d?"),
    ("torch.nn.functional.rellu", "did you mean nn.functional.relu?"),
    ("torch.nn.init.xavier_nromal_", "did you mean nn.init.xavier_normal_?"),
    ("torch.optim.ADAM", "did you mean optim.Adam?"),
    ("torch.optim.lr_scheduler.StepLr", "did you mean optim.lr_scheduler.StepLR?"),
]


@pytest.mark.parametrize("name, said", MISSING)
def test_what_is_missing_says_so_where_it_is_used_and_where_it_is_imported(name, said):
    parent, _, last = name.rpartition(".")
    module = "minigen.torch_names" + parent.removeprefix("torch")
    with pytest.raises(AttributeError) as caught:
        eval(name)
    assert said in str(caught.value)
    assert not hasattr(eval(parent), last)  # what programs ask before they use something
    for code in (f"from {module} import {last}", f"import {module}.{last}"):
        with pytest.raises(ImportError) as caught:
            exec(code)
        assert said in str(caught.value)


def test_python_asks_modules_for_its_own_names_in_vain():
    import copy
    import inspect

    assert inspect.getmodule(torch.nn) is torch.nn and "Linear" in dir(torch.nn)
    assert "zeros" in dir(torch) and "FloatTensor" in dir(torch)
    assert not hasattr(torch.nn, "__wrapped__") and not hasattr(torch.nn, "_private")
    assert not hasattr(torch.nn, "linear") and not hasattr(torch.nn.modules.conv, "overview")
    assert copy.copy(torch.float32) is np.float32


@pytest.mark.parametrize(
    "name", ["Float", "Double", "Half", "Long", "Int", "Short", "Byte", "Bool"]
)
def test_old_classes_make_what_pytorch_makes(name):
    theirs = pytest.importorskip("torch")
    kind, their_kind = getattr(torch, f"{name}Tensor"), getattr(theirs, f"{name}Tensor")
    assert kind(2, 3).shape == tuple(their_kind(2, 3).shape) == (2, 3)
    assert kind().shape == tuple(their_kind().shape) == (0,)
    assert kind(torch.Size([2, 3])).shape == (2, 3)
    for data in ([1, 0, 1], [[1.0], [0.0]], np.array([1.0, 0.0])):
        made, theirs_made = kind(data), their_kind(data)
        assert made.numpy().dtype == theirs_made.numpy().dtype
        assert made.numpy().tolist() == theirs_made.numpy().tolist()
    x = kind([1, 0])
    assert isinstance(x, kind) and isinstance(x, torch.Tensor) and isinstance(x, Tensor)
    assert not isinstance(x, torch.cuda.FloatTensor) and not isinstance(x.numpy(), torch.Tensor)
    others = [torch.CharTensor, torch.LongTensor if name != "Long" else torch.IntTensor]
    assert not any(isinstance(x, other) for other in others)
    assert torch.ones(2).to(kind).dtype == x.dtype  # as `type(kind)` wants it


def test_old_classes_are_told_by_dtype_and_device():
    x = torch.LongTensor([1, 2])
    assert isinstance(x, torch.LongTensor) and isinstance(x, torch.Tensor)
    assert not isinstance(x, torch.IntTensor | torch.cuda.LongTensor)
    assert torch.FloatTensor(torch.Size([2, 3])).shape == (2, 3)
    assert torch.Size([2, 3]).numel() == 6 and torch.ByteTensor(2).numpy().tolist() == [0, 0]


def test_old_classes_copy_numbers_and_arrays_and_share_tensors():
    array = np.ones(2, np.float32)
    made = torch.FloatTensor(array)
    array[0] = 5
    assert made.numpy().tolist() == [1, 1]
    y = torch.FloatTensor(made)
    y.fill_(3)
    assert made.numpy().tolist() == [3, 3] and torch.Tensor([1, 2]).dtype == np.float32
    with pytest.raises(TypeError, match=r"FloatTensor\(\(2, 3\)\): a shape or numbers"):
        torch.FloatTensor((2, 3))


def test_a_class_of_ones_own_can_stand_on_tensor():
    class Mine(torch.Tensor):
        pass

    assert isinstance(Mine([1.0]), Mine) and isinstance(Mine([1.0]), torch.Tensor)
    assert not isinstance(torch.ones(2), Mine) and torch.Tensor.matmul is Tensor.matmul
    assert (torch.Tensor | None) and isinstance(torch.nn.Linear(1, 1).weight, torch.Tensor)


def test_a_variable_is_a_leaf_in_the_same_memory():
    from minigen.torch_names.autograd import Variable

    x = torch.ones(2, requires_grad=True)
    y = Variable(x * 2, requires_grad=True)
    (y * y).sum().backward()
    assert y.is_leaf and y.grad.numpy().tolist() == [4, 4] and x.grad is None
    z = torch.zeros(2)
    Variable(z).fill_(1.0)
    assert z.numpy().tolist() == [1, 1] and not Variable(z).requires_grad
    assert isinstance(z, Variable)


def test_a_tensor_takes_the_type_of_any_class_or_dtype():
    x = torch.ones(2).double()
    for kind in (torch.Tensor, torch.FloatTensor, torch.float32, np.dtype("f4"), np.float32, "f4"):
        assert x.type(kind).dtype == np.float32
    assert x.type(torch.LongTensor).dtype == np.int64


def test_devices_are_told_by_their_type():
    for given, (text, kind, index) in {
        ("cpu",): ("cpu", "cpu", None), ("cuda:1",): ("cuda:1", "cuda", 1),
        (0,): ("cuda:0", "cuda", 0),
        ("cuda", 0): ("cuda:0", "cuda", 0), ("cpu", 0): ("cpu", "cpu", None),
        (torch.device("cuda"),): ("cuda", "cuda", None),
    }.items():  # fmt: skip
        device = torch.device(*given)
        assert (str(device), device.type, device.index) == (text, kind, index)
    cpu = torch.device("cpu")
    assert torch.zeros(2, device=cpu).to(cpu).device == cpu == "cpu"
    with pytest.raises(ValueError, match="device must be 'cpu', 'cuda' or 'cuda:N', not 'mps'"):
        torch.device("mps")
    if not torch.cuda.is_available():
        assert torch.cuda.device_count() == 0 and torch.accelerator.current_accelerator() is None
        with pytest.raises(minigen.DeviceError):
            torch.cuda.FloatTensor(2)


def test_constants_dtypes_and_trifles():
    assert torch.float is torch.float32 is np.float32 and torch.long is np.int64
    assert torch.half is np.float16 and torch.bool is np.bool_ and torch.int8 is np.int8
    assert torch.finfo(torch.float32).eps == np.finfo("f4").eps and torch.pi > 3
    assert torch.is_tensor(torch.ones(1)) and not torch.is_tensor(np.ones(1))
    assert torch.compile(abs) is abs and torch.compile(mode="default")(abs) is abs
    assert torch.Generator(device="cpu").manual_seed(3).seed == 3
    model = torch.nn.DataParallel(torch.nn.Linear(2, 1))
    assert list(model.state_dict()) == ["module.weight", "module.bias"]
    assert model(torch.ones(1, 2)).shape == (1, 1)


def test_what_was_saved_under_any_name_is_loaded(tmp_path):
    model = torch.nn.Linear(2, 3)
    for state in (model.state_dict(), (torch.ones(2), torch.zeros(1)), [3, {"x": None}]):
        torch.save(state, tmp_path / "model.pth")
        loaded = torch.load(tmp_path / "model.pth", map_location="cpu", weights_only=True)
        assert type(loaded) is type(state) and len(loaded) == len(state)
    torch.save(torch.ones(2), tmp_path / "x.pt")
    assert torch.load(tmp_path / "x.pt").numpy().tolist() == [1, 1]
    with pytest.raises(TypeError, match="is a Linear; .* give its state_dict"):
        torch.save(model, tmp_path / "model.pth")


def test_the_engine_does_not_know_this_room():
    code = "import sys, minigen, minigen.data; print([m for m in sys.modules if '_names' in m])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_program_of_the_old_days_learns():
    """Written as such programs are; loss and weights are those of the same in minigen's words."""
    program = textwrap.dedent("""
        import minigen.torch_names as torch
        import minigen.torch_names.nn as nn
        from minigen.torch_names.autograd import Variable
        from minigen.torch_names.utils.data import DataLoader, TensorDataset

        torch.manual_seed(0)
        Tensor = torch.cuda.FloatTensor if False else torch.FloatTensor
        model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        x = torch.randn(32, 3)
        data = TensorDataset(x, x.sum(1, keepdim=True))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.5, 0.999))
        losses = []
        for epoch in range(20):
            for x, y in DataLoader(data, batch_size=8, shuffle=True, num_workers=2):
                optimizer.zero_grad()
                loss = nn.MSELoss()(model(Variable(x)), Variable(y).to(Tensor))
                loss.backward()
                optimizer.step()
            losses.append(loss.item())
    """)
    one, two = {}, {}
    exec(program, one)
    exec(program, two)
    assert one["losses"] == two["losses"] and np.mean(one["losses"][-5:]) < one["losses"][0] / 2


def test_mixed_precision_is_the_precision_that_there_is():
    x = torch.ones(2, requires_grad=True)
    optimizer, scaler = torch.optim.SGD([x], lr=0.5), torch.amp.GradScaler("cuda")
    with torch.autocast("cuda", dtype=torch.float16), torch.cuda.amp.autocast():
        loss = (x * x).sum()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert loss.dtype == torch.float32 and x.tolist() == [0, 0] and scaler.get_scale() == 1
    scaler.load_state_dict(scaler.state_dict())
    assert torch.amp.autocast(device_type="cpu")(lambda: 3)() == 3


def test_settings_of_the_whole():
    assert torch.get_default_dtype() == torch.float32
    torch.set_default_dtype(torch.float32)
    with pytest.raises(NotImplementedError, match="float32; give dtype="):
        torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(5)
    state, first = torch.get_rng_state(), torch.rand(2).tolist()
    torch.set_rng_state(state)
    assert torch.rand(2).tolist() == first and torch.initial_seed() == 5
    assert torch.seed() == torch.initial_seed()
    with np.printoptions():
        torch.set_printoptions(precision=2, sci_mode=False)
        assert "0.33" in str(torch.tensor([1 / 3])) and "0.333" not in str(torch.tensor([1 / 3]))
    x = torch.ones(1, 3, 2, 2)
    assert x.to(memory_format=torch.channels_last).shape == x.shape
    assert torch.nn.Conv2d(3, 1, 1).to(memory_format=torch.channels_last)(x).shape == (1, 1, 2, 2)
    assert torch.nn.utils.parametrizations.spectral_norm is torch.nn.utils.spectral_norm


def test_files_are_mapped_to_a_device(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"model": {"w": torch.ones(2)}, "epoch": 3}, path)
    for where in ("cpu", torch.device("cpu"), None, {"cuda:0": "cpu"}, lambda storage, _: storage):
        found = torch.load(path, map_location=where, weights_only=True)
        assert found["epoch"] == 3 and found["model"]["w"].device == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(minigen.DeviceError):
            torch.load(path, map_location="cuda")


def test_files_may_be_open():
    file = io.BytesIO()
    torch.save({"w": torch.ones(2)}, file)
    file.seek(0)
    assert torch.load(file)["w"].tolist() == [1, 1]


def test_samplers_choose_what_an_epoch_has():
    from minigen.torch_names.utils.data import BatchSampler, ConcatDataset, DataLoader
    from minigen.torch_names.utils.data.sampler import (
        RandomSampler,
        SequentialSampler,
        SubsetRandomSampler,
        WeightedRandomSampler,
    )

    data = ConcatDataset([[10, 11], [], [12, 13, 14]])
    assert [data[i] for i in range(len(data))] == [10, 11, 12, 13, 14] and data[-1] == 14
    with pytest.raises(IndexError):
        data[5]
    assert list(BatchSampler(SequentialSampler(data), 2, False)) == [[0, 1], [2, 3], [4]]
    cut = BatchSampler(SequentialSampler(data), 2, True)
    assert list(cut) == [[0, 1], [2, 3]] and len(cut) == 2
    assert sorted(RandomSampler(data)) == sorted(SubsetRandomSampler([0, 1, 2, 3, 4]))
    some = SubsetRandomSampler([4, 2])
    assert sorted(some) == [2, 4] and len({tuple(some) for _ in range(40)}) == 2
    weighted = WeightedRandomSampler([0.0, 1.0, 3.0], 4000)
    share = np.bincount(list(weighted)) / 4000
    assert share[0] == 0 and abs(share[2] - 0.75) < 5 * 0.5 / 4000**0.5
    assert len(set(RandomSampler(range(50), replacement=True))) < 50
    batches = list(DataLoader(data, batch_size=2, sampler=RandomSampler(data)))
    assert sorted(np.concatenate([b.numpy() for b in batches])) == [10, 11, 12, 13, 14]


def test_a_tensors_device_is_a_device():
    x = torch.ones(2, 3)
    assert isinstance(x.device, torch.device) and x.device == "cpu" == torch.device("cpu")
    assert (x.device.type, x.device.index, torch.device("cuda", 1).index) == ("cpu", None, 1)
    assert x.contiguous(memory_format=torch.channels_last) is not None


def test_norms_under_their_newer_names():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert torch.linalg.norm(x).item() == torch.linalg.vector_norm(x).item() == 5
    assert torch.linalg.norm(x, dim=1).tolist() == [5, 0]
    assert torch.linalg.norm(x, 1, 0, keepdim=True).tolist() == [[3, 4]]
    with pytest.raises(NotImplementedError, match="of matrices"):
        torch.linalg.norm(x, 1, dim=(0, 1))


def test_optimisers_ignore_what_is_about_speed():
    x = torch.ones(1, requires_grad=True)
    for name in ("SGD", "Adam", "AdamW", "RAdam", "Adamax", "Adagrad", "Adadelta", "RMSprop"):
        getattr(torch.optim, name)([x], foreach=True, capturable=False, fused=True)
        with pytest.raises(NotImplementedError, match=f"{name}: differentiable=True"):
            getattr(torch.optim, name)([x], differentiable=True)
        with pytest.raises(TypeError, match="speedy"):
            getattr(torch.optim, name)([x], speedy=True)
