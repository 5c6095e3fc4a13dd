"""14장 NumPy만으로 배우는 LeNet의 연습 문제."""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from cnn_lectures.exercises._criteria import lacks, maps
from cnn_lectures.exercises._kinds import Choice, Criterion, Design, Function, Mistake, Number
from cnn_lectures.layers import numpy_network as numpy_nn
from cnn_lectures.models.lenet import LeNet5


def _kept(batch_size: int, *, padding: int = 0) -> tuple[int, int]:
    """첫 합성곱이 적어 두는 입력과 첫 tanh가 적어 두는 출력의 수."""
    conv = numpy_nn.Conv2d(1, 6, 5, rng=np.random.default_rng(0), padding=padding)
    tanh = numpy_nn.Tanh()
    tanh.forward(conv.forward(np.zeros((batch_size, 1, 32, 32), np.float32)))
    return conv.x.size, tanh.y.size


LOGITS = np.log([4.0, 3.0, 2.0, 1.0])
PROBABILITIES = np.array([4, 3, 2, 1]) / 10


def _logit_gradient(label: int) -> np.ndarray:
    """크기 2인 배치의 첫 이미지에서 손실을 로짓으로 미분한 값."""
    loss = numpy_nn.SoftmaxCrossEntropy()
    loss.forward(np.stack([LOGITS, LOGITS]), np.array([label, 0]))
    return loss.backward()[0]


def _nonzero_gradients() -> int:
    """모두 0인 LeNet-5에서 기울기가 0이 아닌 매개변수 배열의 수."""
    network, loss = numpy_nn.lenet5(), numpy_nn.SoftmaxCrossEntropy()
    for parameter in network.parameters():
        parameter.data = np.zeros(parameter.data.shape)
    images = np.random.default_rng(0).normal(size=(4, 1, 32, 32))
    loss.forward(network.forward(images), np.array([0, 0, 1, 2]))
    network.backward(loss.backward())
    return sum(bool(parameter.grad.any()) for parameter in network.parameters())


def _velocity(steps: int) -> float:
    """기울기가 늘 1일 때 모멘텀 0.9의 속도."""
    parameter = numpy_nn.Parameter(np.zeros(1))
    parameter.grad = np.ones(1)
    update = numpy_nn.SGD([parameter], lr=1.0, momentum=0.9)
    for _ in range(steps):
        update.step()
    return update.velocities[0].item()


INPUTS, DELTA = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[1.0], [-2.0]])


def _linear() -> tuple[float, ...]:
    """완전 연결 층에서 가중치 둘과 편향의 기울기."""
    layer = numpy_nn.Linear(2, 1, rng=np.random.default_rng(0))
    layer.weight.data = np.array([[2.0, -1.0]])
    layer.forward(INPUTS)
    layer.backward(DELTA)
    return (*layer.weight.grad[0], *layer.bias.grad)


def weight_gradient(x, w1, b1, w2, delta) -> np.ndarray:
    """Tanh를 사이에 둔 두 완전 연결 층에서 앞 층의 가중치의 기울기."""
    rng = np.random.default_rng(0)
    first, second = (numpy_nn.Linear(w.shape[1], w.shape[0], rng=rng) for w in (w1, w2))
    first.weight.data, first.bias.data, second.weight.data = w1, b1, w2
    network = numpy_nn.Sequential(first, numpy_nn.Tanh(), second)
    network.forward(x)
    network.backward(delta)
    return first.weight.grad


def _by_hand(x, w1, b1, w2, delta, *, derivative=lambda a: 1 - np.tanh(a) ** 2, mean=False):
    """`weight_gradient`를 손으로 계산한다. 인자마다 흔한 오해 하나를 켠다."""
    gradient = ((delta @ w2) * derivative(x @ w1.T + b1)).T @ x
    return gradient / len(x) if mean else gradient


def _two_layers() -> list[tuple[np.ndarray, ...]]:
    random = np.random.default_rng(6)
    return [
        tuple(random.normal(size=s) for s in ((n, i), (h, i), (h,), (o, h), (n, o)))
        for n, i, h, o in ((2, 3, 4, 2), (5, 4, 3, 1), (3, 2, 2, 2))
    ]


class _Twin(nn.Module):
    """LeNet-5의 쌍둥이. 인자마다 흔한 잘못 하나를 켠다."""

    def __init__(self, *, activation=nn.Tanh, head_first=False, cut=False, dropout=0.0):
        super().__init__()
        body = nn.Sequential(
            *(nn.Conv2d(1, 6, 5), activation(), nn.AvgPool2d(2)),
            *(nn.Conv2d(6, 16, 5), activation(), nn.AvgPool2d(2)),
            *(nn.Conv2d(16, 120, 5), activation(), nn.Flatten()),
        )
        drop = nn.Dropout(dropout)
        head = nn.Sequential(nn.Linear(120, 84), activation(), drop, nn.Linear(84, 10))
        if head_first:
            self.head, self.body = head, body
        else:
            self.body, self.head = body, head
        self.cut = cut

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 32, 32) -> (N, 10)"""
        x = self.body(images)
        return self.head(x.detach() if self.cut else x)


IMAGES = np.random.default_rng(1).normal(size=(4, 1, 32, 32))
LABELS = np.array([3, 1, 4, 1])


def _numpy_lenet() -> numpy_nn.Sequential:
    network = numpy_nn.lenet5(seed=0)
    for parameter in network.parameters():
        parameter.data = parameter.data.astype(np.float64)
    return network


def _copied(model: nn.Module) -> tuple[nn.Module, numpy_nn.Sequential]:
    """NumPy 신경망의 값을 모양이 같은 매개변수에 옮긴 복사본. 열 개의 모양이 모두 다르다."""
    twin, network = copy.deepcopy(model).double().eval(), _numpy_lenet()
    theirs = {tuple(parameter.shape): parameter for parameter in twin.parameters()}
    with torch.no_grad():
        for ours in network.parameters():
            theirs[ours.data.shape].copy_(torch.from_numpy(ours.data))
    return twin, network


def _same_order(model: nn.Module) -> bool:
    ours = [parameter.data.shape for parameter in _numpy_lenet().parameters()]
    return [tuple(parameter.shape) for parameter in model.parameters()] == ours


def _same_logits(model: nn.Module) -> bool:
    twin, network = _copied(model)
    with torch.inference_mode():
        logits = twin(torch.from_numpy(IMAGES)).numpy()
    return np.allclose(logits, network.forward(IMAGES), atol=1e-9)


def _all_learn(model: nn.Module) -> bool:
    """한 번의 역전파에서 매개변수 열 개가 모두 0이 아닌 기울기를 받는다."""
    model = copy.deepcopy(model).eval()
    logits = model(torch.from_numpy(IMAGES).float())
    nn.functional.cross_entropy(logits, torch.from_numpy(LABELS)).backward()
    return all(p.grad is not None and bool(p.grad.any()) for p in model.parameters())


def _same_in_training(model: nn.Module) -> bool:
    model, images = copy.deepcopy(model), torch.from_numpy(IMAGES).float()
    with torch.no_grad():
        return torch.allclose(model.train()(images), model.eval()(images), atol=1e-6)


SHAPE = "흑백 이미지 32×32 한 장마다 로짓 열 개를 내야 합니다. 층마다의 모양을 적어 보십시오."
ORDER = "차례로 짝지어 옮길 수 없습니다. `parameters()`의 차례는 `__init__`에서 층을 **정의한** 차례이고, 편향도 있어야 합니다."
DIFFERENT = "같은 가중치로 다른 값을 냅니다. 활성화 함수와 풀링의 종류와 차례가 맞는지, 로짓 뒤에 남은 층이 없는지 보십시오."
CUT = "기울기를 받지 못하는 매개변수가 있습니다. 순전파 가운데에서 계산의 기록이 끊겼습니다."
RANDOM = "학습 모드에서 다른 값을 냅니다. NumPy 신경망에는 모드에 따라 달라지는 층이 없습니다."
BORROWED = "이 책의 `LeNet5`를 가져왔습니다. 층을 손수 이어 보십시오."


EXERCISES = (
    Choice(
        question="층을 차례로 이은 신경망에서, 순전파를 마친 뒤 `backward`를 **첫 층부터** 차례로 부르려고 합니다. 무엇이 문제입니까?",
        right=r"첫 층이 받아야 할 $\partial L / \partial y$가 아직 없다.",
        place=2,
        mistakes=(
            Mistake(
                "기울기의 값은 같지만 배열의 차례가 뒤집혀 나온다.",
                "값부터 구할 수 없습니다. 층의 `backward`가 무엇을 받는지 보십시오.",
            ),
            Mistake(
                "순전파에서 적어 둔 값이 지워져 있다.",
                "적어 둔 값은 층마다 그대로 있습니다. 모자라는 것은 다른 것입니다.",
            ),
            Mistake(
                "가중치가 없는 층에서만 오류가 나고 나머지는 맞는다.",
                "가중치가 있고 없고와 상관이 없습니다. 합성곱 층의 `backward`도 받아야 할 것이 있습니다.",
            ),
        ),
        hint="첫 층의 출력이 손실에 어떻게 영향을 주는지 알려면 어느 층들을 알아야 합니까?",
        explanation="손실에서 시작하여 거꾸로 와야 층마다 받을 것이 마련됩니다. 앞에서부터 미분하는 방법(순방향 자동 미분)도 있지만, 매개변수마다 따로 한 번씩 지나야 하므로 매개변수가 61,706개인 LeNet-5라면 61,706번입니다.",
        level=1,
        minutes=3,
    ),
    Number(
        question="LeNet-5(입력 1@32×32)에 이미지 64장을 넣습니다. 역전파를 위해 첫 합성곱(5×5, 6채널, 패딩 없음)은 자기의 **입력**을, 그다음의 tanh는 자기의 **출력**을 적어 둡니다. 각각 수가 몇 개입니까? 차례로 답하십시오.",
        hint="특징 맵의 모양 (N, C, H, W)를 적고 네 수를 곱하십시오.",
        explanation=r"합성곱은 $64 \cdot 1 \cdot 32 \cdot 32$ = 65,536개, tanh는 $64 \cdot 6 \cdot 28 \cdot 28$ = 301,056개를 적어 둡니다. 추론만 한다면 적어 둘 것이 없습니다. 학습이 메모리를 훨씬 많이 쓰는 까닭입니다.",
        level=1,
        minutes=4,
        answer=lambda: _kept(64),
        mistakes=(
            Mistake(lambda: _kept(1), "이미지 한 장만 셌습니다."),
            Mistake(
                lambda: _kept(64, padding=2),
                "합성곱이 크기를 지킨다고 보았습니다. 패딩이 없으면 한 변이 $K - 1$만큼 줄어듭니다.",
            ),
            Mistake(
                lambda: (_kept(64)[0], _kept(64)[1] // 6),
                "채널을 곱하지 않았습니다. tanh의 출력은 채널마다 한 장씩입니다.",
            ),
            Mistake(
                lambda: (_kept(64)[0], 2 * _kept(64)[1]),
                "tanh의 입력까지 셌습니다. tanh의 도함수는 출력만으로 구할 수 있습니다.",
            ),
        ),
    ),
    Number(
        question=r"로짓이 $(\ln 4, \ln 3, \ln 2, 0)$인 이미지의 정답이 1번(0부터 셉니다)입니다. 이 이미지는 크기가 2인 미니배치의 한 장이고, 손실 $L$은 미니배치에서 **평균한** 교차 엔트로피입니다. $L$을 이 이미지의 로짓 넷으로 미분한 값을 차례로 적으십시오.",
        hint="지수 함수를 씌우면 4, 3, 2, 1입니다. 먼저 확률을 구하십시오.",
        explanation=r"확률은 0.4, 0.3, 0.2, 0.1이고, 정답의 자리에서 1을 빼면 0.4, −0.7, 0.2, 0.1입니다. 두 장의 평균이므로 2로 나눕니다. 확률을 모두 더하면 1이므로 한 이미지의 로짓 기울기는 더하면 언제나 0입니다.",
        level=2,
        minutes=5,
        answer=lambda: _logit_gradient(1),
        mistakes=(
            Mistake(
                lambda: 2 * _logit_gradient(1),
                "배치에서 평균한다는 것을 잊었습니다.",
            ),
            Mistake(
                lambda: -_logit_gradient(1),
                "부호가 뒤집혔습니다. 정답의 로짓을 키우면 손실이 줄어야 합니다.",
            ),
            Mistake(
                lambda: _logit_gradient(0),
                "정답의 번호를 1부터 셌습니다.",
            ),
            Mistake(
                lambda: PROBABILITIES / 2,
                "정답의 자리에서 1을 빼지 않았습니다. 그것은 확률입니다.",
            ),
            Mistake(
                lambda: np.array([0, -1, 0, 0]) / PROBABILITIES[1] / 2,
                "손실을 로짓이 아니라 확률로 미분했습니다. 소프트맥스도 거쳐야 합니다.",
            ),
        ),
    ),
    Choice(
        question="한 이미지의 로짓 열 개에 모두 100을 더합니다. 소프트맥스를 거친 교차 엔트로피 손실과, 그것을 로짓으로 미분한 기울기는 각각 어떻게 됩니까?",
        right="둘 다 그대로이다.",
        place=3,
        mistakes=(
            Mistake(
                "손실이 100만큼 줄고 기울기는 그대로이다.",
                "정답의 로짓만 커진 것이 아닙니다. 나머지 로짓이 손실에 어떻게 들어가는지 보십시오.",
            ),
            Mistake(
                "손실은 그대로이고 기울기는 0이 된다.",
                "기울기가 0이 되려면 확률이 정답과 같아야 합니다. 확률이 바뀌었습니까?",
            ),
            Mistake(
                "둘 다 $e^{100}$배가 된다.",
                "지수 함수를 씌운 값만 보았습니다. 손실에 들어가는 것은 확률입니다. 확률의 분모는 어떻게 됩니까?",
            ),
        ),
        hint=r"$p_k = e^{z_k} / \sum_j e^{z_j}$에서 $z$를 모두 $z + 100$으로 바꾸어 보십시오.",
        explanation="분자와 분모에 같은 수가 곱해져 지워집니다. 지수 함수가 넘치지 않도록 가장 큰 로짓을 빼고 시작해도 되는 까닭입니다.",
        level=1,
        minutes=2,
    ),
    Number(
        question="tanh를 쓰는 LeNet-5의 가중치와 편향(층 다섯, 배열 열 개)을 모두 0으로 두고 시작합니다. 손실은 소프트맥스를 거친 교차 엔트로피입니다. 종류마다 이미지의 수가 다른 미니배치로 첫 역전파를 하면 기울기가 0이 **아닌** 배열은 몇 개입니까?",
        hint="마지막 층부터 보십시오. 가중치의 기울기에는 층의 입력이, 앞으로 넘기는 기울기에는 층의 가중치가 곱해집니다.",
        explanation="마지막 층의 편향 하나뿐입니다. tanh의 출력이 모두 0이므로 마지막 가중치의 기울기가 0이고, 마지막 가중치가 0이므로 그 앞으로 넘어가는 기울기도 0입니다. 다음 스텝에도 마찬가지라서, 이 신경망은 종류의 비율만 배웁니다.",
        level=2,
        minutes=5,
        answer=_nonzero_gradients,
        mistakes=(
            Mistake(
                0,
                "모두 0이라고 보았습니다. 손실은 여전히 로짓에 따라 달라지고, 로짓에는 편향이 더해집니다.",
            ),
            Mistake(
                2,
                "마지막 가중치도 배운다고 보았습니다. 그 기울기에 곱해지는 층의 입력이 얼마입니까?",
            ),
            Mistake(
                5,
                "모든 편향이 배운다고 보았습니다. 앞 층의 편향까지 기울기가 넘어오려면 뒤 층의 가중치를 지나야 합니다.",
            ),
            Mistake(
                lambda: len(numpy_nn.lenet5().parameters()),
                "값이 0이어도 기울기는 있다고 보았습니다. 곱해지는 것이 0이면 기울기도 0입니다.",
            ),
        ),
    ),
    Number(
        question="모멘텀 0.9인 경사 하강법 $v \\leftarrow 0.9\\,v + g$에서 $v = 0$으로 시작하여 기울기가 늘 $g$라면, $v$는 $g$의 몇 배에 가까워집니까? 스무 스텝 뒤의 $v$는 그 가까워지는 값의 몇 배입니까? 둘째는 0과 1 사이의 소수로, 소수점 아래 둘째 자리까지 적으십시오.",
        hint="더는 바뀌지 않는 $v$에서는 왼쪽과 오른쪽이 같습니다. 모자라는 몫은 스텝마다 0.9배가 됩니다.",
        explanation="$v = 0.9v + g$에서 $v = 10g$이고, 모자라는 몫이 $0.9^{20} \\approx 0.12$이므로 0.88배에 이릅니다. 같은 방향이 이어지면 학습률이 열 배가 된 것과 같습니다.",
        level=2,
        minutes=4,
        tolerance=0.006,
        answer=lambda: (_velocity(2000), _velocity(20) / _velocity(2000)),
        mistakes=(
            Mistake(
                (1.9, 0.88),
                "두 스텝만 더했습니다. 지난 속도는 거듭하여 쌓입니다.",
            ),
            Mistake(
                lambda: (9, _velocity(20) / _velocity(2000)),
                "이번 스텝의 기울기를 빼놓고 지난 것만 더했습니다.",
            ),
            Mistake(
                lambda: (_velocity(2000), 0.9**20),
                "아직 모자라는 몫을 적었습니다.",
            ),
            Mistake(
                lambda: (_velocity(2000), 0.9),
                "한 스텝에 남는 몫을 적었습니다. 스텝마다 거듭 곱해집니다.",
            ),
            Mistake(
                lambda: (_velocity(2000), _velocity(20)),
                "스무 스텝 뒤의 $v$를 그대로 적었습니다. 가까워지는 값에 대한 비율을 물었습니다.",
            ),
        ),
    ),
    Number(
        question="완전 연결 층 $y = xW^\\top + b$에 이미지 두 장 $x = [[1, 2], [3, 0]]$이 들어갑니다. $W = [[2, -1]]$이고, 뒤에서 받은 $\\partial L / \\partial y$는 $[[1], [-2]]$입니다. $\\partial L / \\partial W$의 수 둘과 $\\partial L / \\partial b$의 수 하나를 한 줄로 차례로 적으십시오.",
        hint="가중치 하나는 이미지마다 한 번씩 쓰였습니다. 이미지마다의 몫을 더하십시오.",
        explanation=r"첫 가중치는 $1 \cdot 1 + (-2) \cdot 3 = -5$, 둘째는 $1 \cdot 2 + (-2) \cdot 0 = 2$, 편향은 $1 - 2 = -1$입니다. 배치의 평균은 손실에서 이미 냈으므로 여기에서는 더하기만 합니다. $W$의 값은 쓰이지 않습니다.",
        level=1,
        minutes=5,
        answer=_linear,
        mistakes=(
            Mistake(
                lambda: tuple(value / 2 for value in _linear()),
                "더하지 않고 평균했습니다. 평균은 손실이 이미 냈습니다.",
            ),
            Mistake(
                lambda: (*INPUTS.sum(axis=0), len(INPUTS)),
                "뒤에서 받은 기울기를 곱하지 않았습니다.",
            ),
            Mistake(
                lambda: (*(_linear()[:2] * np.array([2.0, -1.0])), _linear()[2]),
                "가중치를 한 번 더 곱했습니다. 가중치로 미분하면 입력만 남습니다.",
            ),
            Mistake(
                lambda: (*(INPUTS @ DELTA).ravel(), _linear()[2]),
                "전치하지 않고 곱했습니다. 첫 가중치에는 두 이미지의 **첫** 입력이 곱해집니다.",
            ),
        ),
    ),
    Function(
        question=r"두 층의 신경망 $h = \tanh(x W_1^\top + b_1)$, $y = h W_2^\top + b_2$를 손으로 역전파하는 `weight_gradient(x, w1, b1, w2, delta)`를 쓰십시오. 모두 NumPy 배열이며 `x`는 (N, I), `w1`은 (H, I), `b1`은 (H,), `w2`는 (O, H), `delta`는 $\partial L / \partial y$로 (N, O)입니다. $\partial L / \partial W_1$을 (H, I)로 돌려줍니다. $b_2$는 이 기울기에 쓰이지 않아 받지 않습니다. torch의 자동 미분은 쓰지 않습니다.",
        hint="$y$에서 $h$로, tanh를 거쳐, $W_1$로 한 토막씩 거슬러 가십시오. tanh의 도함수는 출력 $h$만으로 쓸 수 있습니다.",
        explanation=r"`delta @ w2`가 $\partial L/\partial h$, 여기에 $1 - h^2$을 곱한 것이 tanh 앞의 기울기이고, 그 전치에 `x`를 곱하면 이미지마다의 몫이 저절로 더해집니다.",
        level=2,
        minutes=8,
        oracle=weight_gradient,
        inputs=_two_layers,
        mistakes=(
            Mistake(
                lambda *a: _by_hand(*a, derivative=np.ones_like),
                "tanh의 도함수를 빠뜨렸습니다.",
            ),
            Mistake(
                lambda *a: _by_hand(*a, derivative=lambda z: 1 - np.tanh(z)),
                "tanh의 도함수에서 출력을 제곱하지 않았습니다.",
            ),
            Mistake(
                lambda *a: _by_hand(*a, derivative=lambda z: 1 - z**2),
                "tanh의 도함수를 tanh의 **입력**으로 썼습니다. 그 식에는 출력이 들어갑니다.",
            ),
            Mistake(
                lambda *a: _by_hand(*a, mean=True),
                "이미지의 수로 나누었습니다. 평균은 손실이 이미 내어 `delta`에 들어 있습니다.",
            ),
            Mistake(
                lambda x, w1, b1, w2, delta: _by_hand(x, w1, 0 * b1, w2, delta),
                "순전파를 다시 할 때 편향을 더하지 않았습니다.",
            ),
        ),
    ),
    Design(
        question="NumPy만으로 된 LeNet-5의 **쌍둥이**를 torch의 `nn.Module`로 설계하십시오. 5×5 합성곱(6, 16, 120채널) 셋과 완전 연결 층(84, 10유닛) 둘을 차례로 잇고, 마지막 층을 뺀 모든 층 뒤에 tanh를, 앞의 두 tanh 뒤에 2×2 평균 풀링을 둡니다. NumPy의 매개변수를 차례로 옮기면 같은 로짓이 나와야 합니다.",
        hint="torch의 `parameters()`도 층마다 가중치, 편향의 차례입니다. 마지막 합성곱의 출력은 120@1×1이므로 완전 연결 층 앞에서 폅니다.",
        explanation="합성곱 셋과 완전 연결 층 둘을 쓰이는 차례대로 정의하고 마지막 층 뒤에는 아무것도 두지 않습니다. 매개변수는 61,706개입니다. 값을 옮길 때 차례에 기대는 것은 편하지만 위험하기도 합니다. 그래서 torch는 이름으로 옮깁니다.",
        level=2,
        minutes=10,
        rubric=(
            maps((2, 1, 32, 32), (2, 10), hint=SHAPE),
            Criterion("매개변수 열 개의 모양과 차례가 NumPy 신경망과 같음", _same_order, ORDER),
            Criterion("같은 매개변수로 같은 로짓(추론 모드)", _same_logits, DIFFERENT),
            Criterion("역전파 한 번에 모든 매개변수가 기울기를 받음", _all_learn, CUT),
            Criterion("학습 모드에서도 추론 모드와 같은 값", _same_in_training, RANDOM),
            lacks(LeNet5, "이 책의 `LeNet5`를 쓰지 않음", hint=BORROWED),
        ),
        example=_Twin,
        mistakes=(
            Mistake(lambda: _Twin(head_first=True), ORDER),
            Mistake(lambda: _Twin(activation=nn.ReLU), DIFFERENT),
            Mistake(lambda: _Twin(cut=True), CUT),
            Mistake(lambda: _Twin(dropout=0.5), RANDOM),
            Mistake(LeNet5, BORROWED),
        ),
    ),
)
