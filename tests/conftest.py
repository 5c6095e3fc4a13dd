"""단위 테스트가 함께 쓰는 것. 네트워크를 막고, 그림 창을 띄우지 않는다."""

import matplotlib.pyplot as plt
import pytest
import pytest_socket

plt.switch_backend("agg")


@pytest.fixture(autouse=True)
def no_network():
    """테스트마다 소켓을 막는다."""
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


@pytest.fixture(autouse=True)
def closed_figures():
    """테스트가 그린 그림을 닫는다."""
    yield
    plt.close("all")
