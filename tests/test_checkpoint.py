"""가중치 파일 읽기와 옮기기. 진짜 가중치도 네트워크도 쓰지 않는다."""

import hashlib
import io
import os
import pickle
from types import SimpleNamespace
from urllib.error import URLError

import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

from cnn_lectures import checkpoint
from cnn_lectures.checkpoint import (
    PUBLISHED,
    CheckpointError,
    from_pretrained,
    predict,
    pretrained,
    published_weights,
    read_state_dict,
    restore,
)
from cnn_lectures.models import build_model
from cnn_lectures.models.densenet import DenseNet


def network(outputs=3):
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, outputs))


def saved(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


# 읽기


def test_round_trip(tmp_path):
    model = network()
    torch.save(model.state_dict(), tmp_path / "a.pth")
    read = read_state_dict(tmp_path / "a.pth")
    assert type(read) is dict
    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(read[key], tensor, rtol=0, atol=0)
    old = tmp_path / "old.pth"
    torch.save(model.state_dict(), old, _use_new_zipfile_serialization=False)
    assert read_state_dict(str(old)).keys() == read.keys()


GOOD = saved(network().state_dict())
LEGACY = io.BytesIO()
torch.save(network().state_dict(), LEGACY, _use_new_zipfile_serialization=False)

BROKEN = {
    "empty": (b"", "빈 파일입니다. 파일을 지우고 다시 받으십시오"),
    "blank": (b" \n\t", "빈 파일입니다"),
    "html": (b"\n<!DOCTYPE html><html>", r"웹 페이지\(HTML\)입니다. 내려받은 주소를 확인하고"),
    "truncated": (GOOD[:-200], "도중에 잘렸거나 가중치 파일이 아닙니다"),
    "truncated-early": (GOOD[:100], "도중에 잘렸거나 가중치 파일이 아닙니다"),
    "truncated-legacy": (LEGACY.getvalue()[:-40], "도중에 잘렸거나 가중치 파일이 아닙니다"),
    "text": (b"hello world", "도중에 잘렸거나 가중치 파일이 아닙니다"),
    "zeros": (b"\0" * 300, "도중에 잘렸거나 가중치 파일이 아닙니다"),
    "list": (saved([torch.zeros(2)]), "이름과 텐서의 사전이어야 하는데 list입니다"),
    "tensor": (saved(torch.zeros(2)), "이름과 텐서의 사전이어야 하는데 Tensor입니다"),
    "integer-keys": (saved({1: torch.zeros(2)}), "이름이 문자열이 아닌 사전입니다"),
    "nested": (
        saved({"state_dict": {"a": torch.zeros(2)}, "epoch": 3}),
        r"텐서가 아닌 값\(state_dict, epoch\)을 담은 사전입니다.*torch\.save\(model\.state_dict",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_name_the_file_the_cause_and_the_next_step(name, tmp_path):
    content, message = BROKEN[name]
    path = tmp_path / f"{name}.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_state_dict(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.endswith(("십시오.",))
    assert "weights_only" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.pth: 파일을 열 수 없습니다 .*경로를 확인"):
        read_state_dict(tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="파일을 열 수 없습니다"):
        read_state_dict(tmp_path)


class Hostile:
    """읽는 쪽이 피클을 그대로 믿으면 폴더를 만든다."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("legacy", [True, False])
def test_hostile_pickle_is_not_executed(legacy, tmp_path):
    trap = tmp_path / "executed"
    path = tmp_path / "hostile.pth"
    content = {"weight": torch.zeros(2), "bias": Hostile(trap)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(
        CheckpointError, match=r"텐서가 아닌 것\(\w+\.mkdir\)이 들어 있어"
    ) as caught:
        read_state_dict(path)
    assert not trap.exists()
    assert "weights_only" not in str(caught.value)
    pickle.loads(pickle.dumps(Hostile(trap)))  # 함정이 살아 있었음
    assert trap.exists()


def test_whole_model_is_refused(tmp_path):
    torch.save(network(), tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"텐서가 아닌 것\(torch\.nn\.\S+\)이 들어 있어"):
        read_state_dict(tmp_path / "model.pth")


# 옮기기


def test_restore_copies_everything_and_reports_it():
    ours, other = network(), network()
    nn.init.normal_(other[1].running_mean)
    report = restore(ours, other.state_dict())
    for key, tensor in ours.state_dict().items():
        torch.testing.assert_close(tensor, other.state_dict()[key], rtol=0, atol=0)
    assert report.loaded == tuple(ours.state_dict())
    assert (report.missing, report.unexpected) == ((), ())
    assert report.parameters == sum(p.numel() for p in ours.parameters())
    assert str(report) == f"옮긴 텐서 9개(매개변수 {report.parameters}개)"
    other[3].bias.data.fill_(7)
    assert not (ours[3].bias == 7).any()  # 복사했으므로 함께 바뀌지 않는다


def test_old_files_without_batch_counts():
    state_dict = {k: v for k, v in network().state_dict().items() if "num_batches" not in k}
    report = restore(network(), state_dict)
    assert len(report.loaded) == 8
    del state_dict["1.running_mean"]
    with pytest.raises(CheckpointError, match=r"파일에 없는 텐서 1개\(1\.running_mean\)"):
        restore(network(), state_dict)


def test_replace_head_keeps_the_new_head_and_reports_it():
    model, other = network(outputs=5), network(outputs=3)
    head = model[3].weight.clone()
    report = restore(model, other.state_dict(), replace_head="3")
    assert torch.equal(model[3].weight, head)
    assert torch.equal(model[0].weight, other[0].weight)
    assert report.missing == ("3.weight", "3.bias")
    assert report.parameters == 20 + 4
    assert "그대로 둔 텐서 3.weight, 3.bias" in str(report)

    bigger = other.state_dict() | {"3.scale": torch.zeros(1)}
    assert restore(model, bigger, replace_head=("3",)).unexpected == ("3.scale",)
    with pytest.raises(ValueError, match=r"`replace_head`: .* 가운데 하나여야 .*'fc'\)"):
        restore(model, other.state_dict(), replace_head="fc")


def test_wrong_head_says_what_to_do_and_changes_nothing():
    model, other = network(outputs=5), network(outputs=3)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    message = (
        r"Sequential: 가중치가 맞지 않습니다\. 모양이 다른 텐서 2개"
        r"\(3\.weight \(3, 8\) -> \(5, 8\), 3\.bias \(3,\) -> \(5,\)\)\. "
        r"종류 수를 바꾸었으면 `replace_head=\('3',\)`를 주십시오\."
    )
    with pytest.raises(CheckpointError, match=message):
        restore(model, other.state_dict())
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("0.bias"), r"파일에 없는 텐서 1개\(0\.bias\)\. 어느 모형의"),
        (lambda d: d.update(extra=torch.zeros(1)), r"모형에 없는 텐서 1개\(extra\)\. 어느 모형의"),
        (
            lambda d: d.update({f"x{n}": torch.zeros(1) for n in range(5)}),
            r"모형에 없는 텐서 5개\(x0, x1, x2, …\)",
        ),
    ],
)
def test_other_mismatches(change, message):
    state_dict = dict(network().state_dict())
    change(state_dict)
    with pytest.raises(CheckpointError, match=message):
        restore(network(), state_dict)


def test_wrong_architecture(tmp_path):
    path = tmp_path / "resnet.pth"
    torch.save(build_model("resnet_small").state_dict(), path)
    message = r"resnet\.pth: VGG: 가중치가 맞지 않습니다\. 파일에 없는 텐서 \d+개.*모형에 없는 텐서"
    with pytest.raises(CheckpointError, match=message) as caught:
        from_pretrained("vgg_small", path)
    assert caught.value.__suppress_context__


def test_old_densenet_names():
    torch.manual_seed(0)
    other = DenseNet(4, (2, 2), 8)
    old = {
        key.replace("norm1.", "norm.1.")
        .replace("norm2.", "norm.2.")
        .replace("conv1.", "conv.1.")
        .replace("conv2.", "conv.2."): tensor
        for key, tensor in other.state_dict().items()
        if "num_batches" not in key
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    model = DenseNet(4, (2, 2), 8)
    restore(model, old)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model.eval()(images), other.eval()(images), rtol=0, atol=0)
    torchvision_file = {"features.norm0.weight": 1, "features.transition1.norm.weight": 1}
    assert all(checkpoint.current_name(key) == key for key in torchvision_file)


def test_from_pretrained_builds_reads_and_returns_an_evaluating_model(tmp_path):
    other = build_model("resnet_small")
    torch.save(other.state_dict(), tmp_path / "a.pth")
    model = from_pretrained("resnet_small", tmp_path / "a.pth")
    assert not model.training
    images = torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(model(images), other.eval()(images), rtol=0, atol=0)
    new = from_pretrained("resnet_small", tmp_path / "a.pth", num_classes=3, replace_head="fc")
    assert new.fc.out_features == 3
    assert torch.equal(new.conv1.weight, other.conv1.weight)


# 내놓은 가중치


@pytest.fixture
def published(monkeypatch, tmp_path):
    """torchvision이 내놓은 것처럼 꾸민 작은 가중치. 내려받으면 `files`에서 베낀다."""
    torch.manual_seed(0)
    twin = torchvision.models.resnet18(num_classes=1000)
    content = saved(twin.state_dict())
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    real = published_weights("resnet18")
    fake = SimpleNamespace(
        url=f"https://example.org/models/{name}", transforms=real.transforms, meta=real.meta
    )
    monkeypatch.setattr(checkpoint, "published_weights", lambda _: fake)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    state = SimpleNamespace(
        twin=twin.eval(),
        content=content,
        url=fake.url,
        path=tmp_path / "hub" / "checkpoints" / name,
        downloads=0,
    )

    def download(url, path, digest, progress):
        assert (url, str(state.path)) == (fake.url, path)
        assert name.endswith(f"-{digest}.pth")
        assert progress is False
        state.downloads += 1
        state.path.write_bytes(state.content)

    monkeypatch.setenv("CI", "1")
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    return state


def test_pretrained_downloads_once_and_equals_torchvision(published):
    image = Image.fromarray(torch.randint(256, (60, 70), dtype=torch.uint8).numpy())  # 흑백
    for _ in range(2):
        model = pretrained("resnet18")
    assert published.downloads == 1
    assert not model.training

    weights = checkpoint.published_weights("resnet18")
    predictions = predict(model, image, name="resnet18", top=3)
    with torch.no_grad():
        logits = published.twin(weights.transforms()(image.convert("RGB"))[None])[0]
    expected = logits.softmax(dim=0).topk(3)
    assert [p.category for p in predictions] == [
        weights.meta["categories"][index] for index in expected.indices
    ]
    assert [p.probability for p in predictions] == pytest.approx(expected.values.tolist(), rel=1e-4)

    tensor = torch.randint(256, (3, 60, 70), dtype=torch.uint8)
    assert len(predict(model.train(), tensor, name="resnet18")) == 5
    assert model.training


def test_pretrained_with_another_head(published):
    model = pretrained("resnet18", num_classes=4, replace_head="fc")
    assert torch.equal(model.conv1.weight, published.twin.conv1.weight)
    message = r"`model`: 종류가 1000개여야 합니다 \(받은 값: 4\)"
    with pytest.raises(ValueError, match=message):
        predict(model, torch.zeros(3, 40, 40), name="resnet18")
    with pytest.raises(CheckpointError, match=r"replace_head=\('fc',\)"):
        pretrained("resnet18", num_classes=4)


def test_no_network_says_which_file_to_place_where(published, monkeypatch):
    def unreachable(*args, **options):
        raise URLError("unreachable")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(CheckpointError, match="내려받지 못했습니다") as caught:
        pretrained("resnet18")
    text = str(caught.value)
    assert text.startswith(f"{published.path}: ")
    assert f"{published.url} 파일을 받아 이 자리에 두십시오." in text
    assert caught.value.__suppress_context__

    published.path.write_bytes(published.content)  # 시키는 대로 하면 된다
    assert pretrained("resnet18").fc.out_features == 1000


def test_blocked_socket_is_reported_too(published, monkeypatch):
    def blocked(*args, **options):
        raise RuntimeError("A test tried to use socket.socket.")

    monkeypatch.setattr(torch.hub, "download_url_to_file", blocked)
    with pytest.raises(CheckpointError, match=r"내려받지 못했습니다 \(A test tried"):
        pretrained("resnet18")


def test_corrupt_local_file_is_not_used(published):
    published.path.parent.mkdir(parents=True)
    published.path.write_bytes(published.content[:-1] + b"!")
    with pytest.raises(
        CheckpointError, match=r"SHA-256이 \w{8}…로, 이름의 \w{8}와 다릅니다\. 파일을 지우고"
    ):
        pretrained("resnet18")
    assert published.downloads == 0


def test_every_published_name_has_weights_with_a_digest():
    for name, (theirs, options) in PUBLISHED.items():
        weights = published_weights(name)
        assert type(weights).__name__.lower() == f"{theirs}_weights"
        digest = weights.url.removesuffix(".pth").rpartition("-")[2]
        assert len(bytes.fromhex(digest)) == 4
        assert len(weights.meta["categories"]) == 1000
        with torch.device("meta"):
            model = build_model(name, **options)
        heads = [p for key, p in model.named_parameters() if "aux" not in key]
        auxiliary = sum(p.numel() for key, p in model.named_parameters() if "aux" in key)
        counted = sum(p.numel() for p in heads)
        assert counted == weights.meta["num_params"] - (0 if theirs == "googlenet" else auxiliary)


def test_wrong_names():
    with pytest.raises(
        ValueError, match=r"`name`: alexnet_one_tower.* 가운데 하나여야 .*'alexnet'\)"
    ):
        pretrained("alexnet")
    with pytest.raises(ValueError, match=r"`name`: .*resnet50.* 가운데 하나여야"):
        predict(network(), torch.zeros(3, 4, 4), name="resnet5")


@pytest.mark.parametrize(
    ("image", "kind", "message"),
    [
        (torch.zeros(1, 4, 4), ValueError, r"`image`: 모양이 \(3, H, W\)여야 .*\(1, 4, 4\)\)"),
        (torch.zeros(1, 3, 4, 4), ValueError, r"`image`: 모양이 \(3, H, W\)여야"),
        ("cat.jpg", TypeError, r"`image`: PIL 이미지나 텐서여야 합니다 \(받은 값: <class 'str'>\)"),
    ],
)
def test_wrong_image(image, kind, message):
    with pytest.raises(kind, match=message):
        predict(network(), image, name="resnet18")


def test_wrong_top():
    with pytest.raises(ValueError, match=r"`top`: 1 이상의 정수여야 합니다 \(받은 값: 0\)"):
        predict(network(), torch.zeros(3, 4, 4), name="resnet18", top=0)
