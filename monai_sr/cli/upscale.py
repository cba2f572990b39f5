"""``monai-sr upscale``: files in, files out, through ``super_resolve``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from monai_sr.casework import Upscaling, gather_cases
from monai_sr.cli.adapting import adapted
from monai_sr.cli.batch import Batch
from monai_sr.cli.console import Console, choose_console, silence_libraries
from monai_sr.cli.dicom_options import (
    CompressOption,
    MapsOption,
    NewUidsOption,
    PatientOption,
    QualificationOption,
    SeriesDescriptionOption,
    SeriesNumberOption,
    SyntheticOption,
    dicom_options,
)
from monai_sr.cli.options import (
    AffineOption,
    DebugOption,
    DeviceOption,
    EnsembleOption,
    IrregularOption,
    SeriesOption,
    TiltOption,
)
from monai_sr.cli.outcome import EnvironmentProblemError, ExitCode
from monai_sr.cli.values import parse_device, parse_scale, parse_spacing
from monai_sr.io import SeriesRules

if TYPE_CHECKING:
    from monai_sr.inference import SRModel

__all__ = ["check_models", "prepare", "run_upscale", "upscale", "upscaling_of"]


def upscale(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            exists=True,
            help="NIfTI file, DICOM folder, DICOMDIR or zip, photograph (PNG, JPEG, TIFF), or folder of cases.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="Output folder: OUT/<case>/...")],
    modality: Annotated[
        Literal["ct", "mr"] | None,
        typer.Option(case_sensitive=False, help="Default: the DICOM tag; for NIfTI told from the values, and printed."),
    ] = None,
    spacing: Annotated[
        str,
        typer.Option(
            metavar="auto|MM|X,Y,Z",
            help="Target spacing in mm. auto: per axis the smaller of its own spacing and max(1 mm, the finest).",
        ),
    ] = "auto",
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,Z|X,Y",
            help="Factor per array axis (1.1 to 6, or 1) instead of a spacing; for photographs two, and needed.",
        ),
    ] = None,
    exact_spacing: Annotated[
        bool, typer.Option("--exact-spacing", help="Keep the spacing exact rather than the field of view.")
    ] = False,
    allow_downsample: Annotated[bool, typer.Option("--allow-downsample", help="Allow axes to become coarser.")] = False,
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME|PATH|none",
            help="Model ('monai-sr info' lists them), a trained one's file or folder, or none: the whole pipeline "
            "without a network, the honest baseline.",
        ),
    ] = "default",
    fidelity: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="1: closest to the truth; towards 0: sharper, and more is guessed."),
    ] = 1.0,
    ensemble: EnsembleOption = "1",
    maps: Annotated[
        bool,
        typer.Option(
            "--maps",
            help="Also write where to doubt: <case>_expected_error.nii.gz and others, and on the acquired grid "
            "<case>_residual.nii.gz.",
        ),
    ] = False,
    adapt: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            min=0.1,
            help="First tune a copy of the model on each scan's own fine axes, for so long; it is used if it restores "
            "slices kept apart better.",
        ),
    ] = None,
    profile: Annotated[
        Literal["box", "gaussian", "sinc", "kspace"] | None,
        typer.Option(help="Slice profile. Default: CT and photographs box, MR Gaussian."),
    ] = None,
    slice_thickness: Annotated[
        float | None,
        typer.Option(
            metavar="MM", min=0.01, max=100.0, help="Width of the slice profile. Default: the header's, or one spacing."
        ),
    ] = None,
    affine: AffineOption = None,
    series: SeriesOption = None,
    allow_tilt: TiltOption = False,
    resample_irregular: IrregularOption = False,
    format: Annotated[
        Literal["same", "nifti", "dicom"], typer.Option(help="File format of the results; same: as read.")
    ] = "same",
    report: Annotated[
        bool, typer.Option("--report", help="Also write report.html: before and after, what was added, all facts.")
    ] = False,
    new_uids: NewUidsOption = False,
    dicom_compress: CompressOption = "none",
    series_description: SeriesDescriptionOption = None,
    series_number: SeriesNumberOption = None,
    content_qualification: QualificationOption = "research",
    synthetic_data: SyntheticOption = None,
    dicom_maps: MapsOption = False,
    sidecar_patient: PatientOption = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    device: DeviceOption = "auto",
    tile: Annotated[
        int | None, typer.Option(metavar="VOXELS", min=16, help="Tile edge. Default: chosen from the free memory.")
    ] = None,
    precision: Annotated[
        Literal["auto", "float32"],
        typer.Option(help="Of the network. auto: bfloat16 where the hardware computes it; float32: the same anywhere."),
    ] = "auto",
    engine: Annotated[
        Literal["auto", "torch", "openvino"],
        typer.Option(
            help="What computes the network. openvino: in float32 on a CPU, needs the extra [openvino]; auto: that one "
            "where it is installed, the CPU knows no bfloat16, and the result is not small."
        ),
    ] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but refusals and failures.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
    debug: DebugOption = False,
) -> None:
    """Super-resolve CT or MR scans along their coarse axes, or photographs. Research only, not for diagnosis.

    Each case gets a folder: OUT/<case>/<case>_sr.nii.gz (or dicom/, or <case>_sr.png), preview.png and run.json.

    Exit codes: 0 all done; 3 a case failed or was refused, the others are written; 2 wrong command line or no such
    path; 4 environment (disk full, device absent, weights missing); 130 interrupted.
    """
    upscaling = upscaling_of(
        modality=modality,
        spacing=spacing,
        scale=scale,
        exact_spacing=exact_spacing,
        allow_downsample=allow_downsample,
        model=model,
        fidelity=fidelity,
        ensemble=ensemble,
        maps=maps,
        profile=profile,
        slice_thickness=slice_thickness,
        affine=affine,
        allow_tilt=allow_tilt,
        resample_irregular=resample_irregular,
        format=format,
        report=report,
        new_uids=new_uids,
        dicom_compress=dicom_compress,
        series_description=series_description,
        series_number=series_number,
        content_qualification=content_qualification,
        synthetic_data=synthetic_data,
        dicom_maps=dicom_maps,
        sidecar_patient=sidecar_patient,
        device=device,
        tile=tile,
        precision=precision,
        engine=engine,
    )
    if not debug:
        silence_libraries()
    console = choose_console(quiet=quiet, as_json=as_json)
    if adapt is not None:
        upscaling = adapted(upscaling, adapt, console)
    raise typer.Exit(
        run_upscale(inputs, out, upscaling, console=console, series=series or (), overwrite=overwrite, debug=debug)
    )


def upscaling_of(
    *,
    modality: str | None,
    spacing: str,
    scale: str | None,
    model: str,
    fidelity: float,
    ensemble: str,
    maps: bool,
    affine: Literal["sform", "qform"] | None,
    allow_tilt: bool,
    resample_irregular: bool,
    format: Literal["same", "nifti", "dicom"],
    report: bool,
    new_uids: bool,
    dicom_compress: str,
    series_description: str | None,
    series_number: int | None,
    content_qualification: str,
    synthetic_data: str | None,
    dicom_maps: bool,
    sidecar_patient: bool,
    device: str,
    **more: Any,
) -> Upscaling:
    """The choices behind the words of ``upscale``; what is not named here goes to ``super_resolve`` as it is.

    Raises:
        typer.BadParameter: if two words contradict each other, or a value cannot be understood.
    """
    if scale is not None and spacing != "auto":
        raise typer.BadParameter("give either --spacing or --scale, not both")
    if model == "none" and (maps or dicom_maps or fidelity != 1.0 or ensemble != "1"):
        raise typer.BadParameter("--fidelity, --ensemble and --maps are of a network; --model none has none")
    options = {
        "modality": modality.upper() if modality else None,
        "spacing": parse_spacing(spacing),
        "scale": parse_scale(scale),
        "fidelity": fidelity,
        "ensemble": int(ensemble),
        "maps": maps or dicom_maps,
        **more,
    }
    dicom = dicom_options(
        format,
        {
            "new_uids": new_uids,
            "compress": dicom_compress,
            "series_description": series_description,
            "series_number": series_number,
            "research": content_qualification == "research",
            "synthetic_data": None if synthetic_data is None else synthetic_data == "yes",
            "maps": dicom_maps,
        },
    )
    rules = SeriesRules(allow_tilt=allow_tilt, resample_irregular=resample_irregular)
    return Upscaling(model, parse_device(device), affine, format, report, options, dicom, sidecar_patient, rules)


def run_upscale(
    inputs: list[Path],
    out: Path,
    upscaling: Upscaling,
    *,
    console: Console,
    series: Sequence[str] = (),
    overwrite: bool = False,
    debug: bool = False,
) -> ExitCode:
    """What ``monai-sr upscale`` does once its options are understood.

    Args:
        inputs: files and folders, all of which exist.
        out: output folder.
        upscaling: what is done to each case.
        console: where events go.
        series: DICOM series that are meant; all, if empty.
        overwrite: whether results that exist are replaced.
        debug: show tracebacks.
    """
    cases = gather_cases(inputs, out, affine=upscaling.affine, series=series)
    if not cases:
        raise typer.BadParameter("everything there is a result of an earlier run in OUT", param_hint="INPUT...")
    check_models(upscaling, {case.kind == "photo" for case in cases})
    return Batch(upscaling, out, console, overwrite=overwrite, debug=debug).run(cases)


def check_models(upscaling: Upscaling, photos: set[bool]) -> None:
    """Load the networks before the first case: one that is missing is found now, not after hours.

    Args:
        upscaling: what is done to each case.
        photos: whether there are photographs, scans, or both.

    Raises:
        typer.BadParameter: if there is no such model, or it has no GAN stage and a fidelity is asked for.
        EnvironmentProblemError: if weights are missing or damaged, or the device or the engine is absent.
    """
    from monai_sr.catalogue import perceptual_partner
    from monai_sr.inference import DeviceError, select_device
    from monai_sr.inference.engine import select_engine

    try:
        engine, precision = upscaling.options.get("engine", "auto"), upscaling.options.get("precision", "auto")
        select_engine(engine, select_device(upscaling.device), precision)
    except DeviceError as error:
        raise EnvironmentProblemError(str(error)) from None
    for photo in photos:
        modality = "photo" if photo else upscaling.options.get("modality")
        found = prepare(upscaling.model, upscaling.device, modality, upscaling.loaded)
        if (
            upscaling.options.get("fidelity", 1.0) != 1.0
            and not isinstance(found, str)
            and not perceptual_partner(found.record)
        ):
            raise typer.BadParameter(
                f"model {found.record.name} has no GAN stage, so its fidelity is 1", param_hint="--fidelity"
            )


def prepare(
    model: str, device: str, modality: str | None = None, loaded: dict[Path, SRModel] | None = None
) -> SRModel | str:
    """Load a network, and fail before the first case if it or the device is not there.

    Args:
        model: name, path, ``"default"`` or ``"none"``.
        device: as on the command line.
        modality: of which the default model is wanted.
        loaded: networks by file; one that is there is not loaded again, and a new one is entered.

    Raises:
        typer.BadParameter: if there is no such model.
        EnvironmentProblemError: if weights are missing or damaged, or the device is absent.
    """
    from monai_sr.catalogue import ModelError, find_model, models
    from monai_sr.inference import DeviceError, load_model, select_device

    try:
        select_device(device)
        if model == "none":
            return model
        models()  # a damaged installation is no mistake of the user
    except (DeviceError, ModelError) as error:
        raise EnvironmentProblemError(str(error)) from None
    try:
        record = find_model(model, modality)
    except ModelError as error:
        if model == "default":
            raise EnvironmentProblemError(f"the default model is not installed: {error}") from None
        raise typer.BadParameter(str(error), param_hint="--model") from None
    if loaded is not None and record.file in loaded:
        return loaded[record.file]
    try:
        network = load_model(record)
    except ModelError as error:
        raise EnvironmentProblemError(str(error)) from None
    if loaded is not None:
        loaded[record.file] = network
    return network
