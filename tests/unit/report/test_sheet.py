import io

import matplotlib.image as mpimg
import numpy as np
import pytest

from voxray.report import draw_sheet, png_size
from voxray.report.sheet import ROW_PX, WIDTH_PX


def a_picture(width, height, grey=0.0):
    stream = io.BytesIO()
    pixels = np.full((height, width, 3), grey)
    mpimg.imsave(stream, pixels, format="png")
    return stream.getvalue()


def test_figures_stand_side_by_side_as_far_as_they_fit():
    three = {str(n): a_picture(300, 340) for n in range(3)}
    four = {**three, "more": a_picture(300, 340)}

    width, height = png_size(draw_sheet(three))

    assert width == WIDTH_PX
    assert png_size(draw_sheet(four)) == (WIDTH_PX, 2 * height)


def test_a_figure_keeps_its_shape_and_its_grey():
    sheet = mpimg.imread(io.BytesIO(draw_sheet({"a": a_picture(500, 1000, 0.4)})))

    dark = sheet[:, :, 0] < 0.9
    assert (dark.any(axis=1).sum(), dark.any(axis=0).sum()) == (ROW_PX, ROW_PX // 2)
    assert sheet[200, 100, 0] == pytest.approx(0.4, abs=0.01)


def test_a_figure_that_is_too_wide_is_made_as_wide_as_the_sheet():
    sheet = mpimg.imread(io.BytesIO(draw_sheet({"a": a_picture(3000, 300)})))

    assert (sheet[:, :, 0] < 0.9).any(axis=0).all()


def test_no_figure_is_no_sheet():
    with pytest.raises(ValueError, match="at least one figure"):
        draw_sheet({})
