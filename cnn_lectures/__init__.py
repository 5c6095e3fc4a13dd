"""LeNet에서 DenseNet까지, 교재 『합성곱 신경망』이 불러다 쓰는 패키지.

`layers`에는 처음부터 직접 만든 층이, `models`에는 논문마다 한 파일씩의 모형이 있다.
이 파일은 torch를 비롯한 무거운 패키지를 불러오지 않는다. 필요한 모듈은 이름으로 불러온다.

>>> from cnn_lectures.layers.convolution import output_size
>>> output_size(32, 5)
28
"""

import warnings

__version__ = "0.1.0"


def check_version(expected: str) -> None:
    """노트북을 쓸 때의 판과 설치된 판이 다르면 무엇을 할지 알린다.

    Parameters
    ----------
    expected : 노트북이 검증된 cnn_lectures의 판

    Warns
    -----
    UserWarning
        두 판이 다를 때.
    """
    if expected != __version__:
        warnings.warn(
            f"이 노트북은 cnn_lectures {expected}로 확인했는데 설치된 판은 {__version__}입니다. "
            f"결과가 책과 다르면 `pip install cnn-lectures=={expected}`로 판을 맞추십시오.",
            stacklevel=2,
        )
