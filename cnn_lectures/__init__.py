"""LeNet에서 DenseNet까지, 교재 『합성곱 신경망』이 불러다 쓰는 패키지.

`layers`에는 처음부터 직접 만든 층이, `models`에는 논문마다 한 파일씩의 모형이 있다.
이 파일은 torch를 비롯한 무거운 패키지를 불러오지 않는다. 필요한 모듈은 이름으로 불러온다.

>>> from cnn_lectures.layers.convolution import output_size
>>> output_size(32, 5)
28
"""

__version__ = "0.1.0"
