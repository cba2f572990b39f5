"""The operator around super_resolve: float values, the affine of the new grid, models as MONAI Deploy lays them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from monai_sr import InputError, super_resolve
from monai_sr.catalogue import ModelError, bundle_root
from monai_sr.data import phantom

pytest.importorskip("holoscan", reason="MONAI Deploy is not installed: the extra [deploy]")
pytestmark = pytest.mark.deploy


@pytest.fixture
def fragment():
    from monai.deploy.core import Fragment

    return Fragment()


def operator(fragment, **arguments):
    from monai_sr.deploy import SuperResolutionOperator

    return SuperResolutionOperator(fragment, name="resolver", device="cpu", **arguments)


def test_it_is_the_one_function(fragment):
    from monai_sr.deploy import VolumeImage

    thick = phantom.ellipsoids((24, 20, 12), (1.0, 1.0, 3.0))
    image = operator(fragment, options={"spacing": 1.5}).resolve(VolumeImage(thick))
    expected = super_resolve(thick, spacing=1.5, device="cpu").volume
    assert image.asnumpy().dtype == np.float32
    np.testing.assert_array_equal(image.asnumpy(), expected.array.T)
    np.testing.assert_array_equal(image.metadata()["affine"], expected.geometry.affine)
    assert image.asnumpy().min() < -900  # HU, and not 8 bits


def test_an_image_of_a_stock_operator_is_taken_with_its_affine(fragment):
    from monai.deploy.core import Image

    from monai_sr.geometry import LPS_TO_RAS

    thick = phantom.ellipsoids((24, 20, 12), (1.0, 1.0, 3.0))
    facts = {"affine": LPS_TO_RAS @ thick.geometry.affine, "space": "LPS", "Modality": "CT"}
    found = operator(fragment, model="none").resolve(Image(thick.array.T, facts))
    expected = super_resolve(thick, model="none", device="cpu").volume
    np.testing.assert_allclose(found.metadata()["affine"], expected.geometry.affine, atol=1e-9)
    np.testing.assert_array_equal(found.asnumpy(), expected.array.T)
    with pytest.raises(InputError, match="no affine"):
        operator(fragment, model="none").resolve(Image(thick.array.T, {"Modality": "CT"}))


def test_what_is_refused_beside_others_is_told(fragment):
    from monai_sr.deploy import VolumeImage

    class Ports:
        emitted = None

        def receive(self, name):
            return [VolumeImage(phantom.ellipsoids(shape, spacing)) for shape, spacing in given]

        def emit(self, thing, name):
            self.emitted = thing

    given = [((20, 20, 20), (1.0, 1.0, 1.0)), ((20, 20, 10), (1.0, 1.0, 3.0))]
    working, ports = operator(fragment, model="none"), Ports()
    working.compute(ports, ports, None)
    assert ports.emitted.volume.geometry.shape == (20, 20, 30)
    assert len(working.refused) == 1
    assert "already isotropic" in working.refused[0]
    given.pop()
    with pytest.raises(InputError, match="already isotropic"):
        operator(fragment, model="none").compute(ports, ports, None)


@pytest.mark.parametrize("layout", ["bundle", "models/bundle", "file"])
def test_a_model_is_found_where_deploy_lays_it(fragment, tmp_path, layout):
    root = bundle_root()
    if layout == "file":
        given = root / "models" / "model.pt"
        shutil.copy(given, tmp_path / "model.pt")
        with pytest.raises(ModelError, match="record"):  # a file of weights says nothing of its network
            operator(fragment, model=tmp_path / "model.pt")
        return
    given = root if layout == "bundle" else tmp_path
    if layout != "bundle":
        shutil.copytree(root, tmp_path / "my_bundle")
    assert (
        operator(fragment, model=given)._network("MR").record.sha256 == operator(fragment)._network("MR").record.sha256
    )


def test_no_model_or_two_are_told_before_any_work(fragment, tmp_path):
    with pytest.raises(ModelError, match="found none"):
        operator(fragment, model=tmp_path)
    for name in ("a.ts", "b.ts"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ModelError, match=r"a\.ts, b\.ts"):
        operator(fragment, model=tmp_path)
