"""``monai-sr upscale``: files in, files out, through ``super_resolve``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from monai_sr.cli.batch import Batch, Progress, gather_cases
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
    IrregularOption,
    SeriesOption,
    TiltOption,
)
from monai_sr.cli.outcome import EnvironmentProblemError, ExitCode
from monai_sr.cli.photo_options import photo_options
from monai_sr.cli.values import parse_device, parse_scale, parse_spacing
from monai_sr.io import SeriesRules, Volume

if TYPE_CHECKING:
    from monai_sr.inference import SRModel, SRResult
    from monai_sr.io.dicom_options import DicomOptions

__all__ = ["prepare", "run_upscale", "upscale"]


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
    ensemble: Annotated[
        Literal["1", "4", "8"],
        typer.Option(help="Mean of so many restorations of mirrored volumes; so many times slower."),
    ] = "1",
    maps: Annotated[
        bool,
        typer.Option("--maps", help="Also write where to doubt: <case>_deviation.nii.gz and <case>_added.nii.gz."),
    ] = False,
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but refusals and failures.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
    debug: DebugOption = False,
) -> None:
    """Super-resolve CT or MR scans along their coarse axes, or photographs. Research only, not for diagnosis.

    Each case gets a folder: OUT/<case>/<case>_sr.nii.gz (or dicom/, or <case>_sr.png), preview.png and run.json.

    Exit codes: 0 all done; 3 a case failed or was refused, the others are written; 2 wrong command line or no such
    path; 4 environment (disk full, device absent, weights missing); 130 interrupted.
    """
    if scale is not None and spacing != "auto":
        raise typer.BadParameter("give either --spacing or --scale, not both")
    options: dict[str, Any] = {
        "modality": modality.upper() if modality else None,
        "spacing": parse_spacing(spacing),
        "scale": parse_scale(scale),
        "exact_spacing": exact_spacing,
        "allow_downsample": allow_downsample,
        "profile": profile,
        "slice_thickness": slice_thickness,
        "tile": tile,
        "fidelity": fidelity,
        "ensemble": int(ensemble),
        "maps": maps or dicom_maps,
    }
    if model == "none" and (maps or dicom_maps or fidelity != 1.0 or ensemble != "1"):
        raise typer.BadParameter("--fidelity, --ensemble and --maps are of a network; --model none has none")
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
    if not debug:
        silence_libraries()
    console = choose_console(quiet=quiet, as_json=as_json)
    raise typer.Exit(
        run_upscale(
            inputs,
            out,
            console=console,
            options=options,
            model=model,
            device=parse_device(device),
            affine=affine,
            series=series or (),
            rules=SeriesRules(allow_tilt=allow_tilt, resample_irregular=resample_irregular),
            format=format,
            report=report,
            dicom=dicom,
            patient=sidecar_patient,
            overwrite=overwrite,
            debug=debug,
        )
    )


def run_upscale(
    inputs: list[Path],
    out: Path,
    *,
    console: Console,
    options: dict[str, Any],
    model: str = "default",
    device: str = "auto",
    affine: Literal["sform", "qform"] | None = None,
    series: Sequence[str] = (),
    rules: SeriesRules | None = None,
    format: Literal["same", "nifti", "dicom"] = "same",
    report: bool = False,
    dicom: DicomOptions | None = None,
    patient: bool = False,
    overwrite: bool = False,
    debug: bool = False,
) -> ExitCode:
    """What ``monai-sr upscale`` does once its options are understood.

    Args:
        inputs: files and folders, all of which exist.
        out: output folder.
        console: where events go.
        options: keyword arguments of ``super_resolve`` that decide grid, profile and tile.
        model: name, path or ``"none"``.
        device: as ``super_resolve`` takes it.
        affine: which affine of a NIfTI file holds where it states two.
        series: DICOM series that are meant; all, if empty.
        rules: what the DICOM reader accepts beyond a regular, right-angled stack of slices.
        format: file format of the results.
        report: whether every case gets ``report.html``.
        dicom: how derived series are written.
        patient: whether the JSON beside a NIfTI file from DICOM says whose scan it is.
        overwrite: whether results that exist are replaced.
        debug: show tracebacks.
    """
    rules = rules or SeriesRules()
    cases = gather_cases(inputs, out, affine=affine, rules=rules, series=series)
    if not cases:
        raise typer.BadParameter("everything there is a result of an earlier run in OUT", param_hint="INPUT...")
    from monai_sr.catalogue import perceptual_partner

    loaded: dict[Path, SRModel] = {}

    def network(modality: str | None) -> SRModel | str:
        return prepare(model, device, modality, loaded)

    # a missing model is found before the first case, not after it
    for photo in {case.kind == "photo" for case in cases}:
        found = network("photo" if photo else options.get("modality"))
        if options.get("fidelity", 1.0) != 1.0 and not isinstance(found, str) and not perceptual_partner(found.record):
            raise typer.BadParameter(
                f"model {found.record.name} has no GAN stage, so its fidelity is 1", param_hint="--fidelity"
            )
    from monai_sr.inference import super_resolve, super_resolve_photo
    from monai_sr.io.photo import Photo

    def resolve(volume: Volume, progress: Progress) -> SRResult:
        common: dict[str, Any] = {"device": device, "progress": progress}
        if isinstance(volume.source, Photo):
            photo = replace(volume.source, name=volume.name)
            own = photo_options(volume.name, options, affine)
            return super_resolve_photo(photo, model=network("photo"), **common, **own)[1]
        modality = options.get("modality") or volume.modality
        return super_resolve(volume, model=network(modality), **common, **options)

    batch = Batch(
        resolve=resolve,
        out=out,
        console=console,
        format=format,
        overwrite=overwrite,
        report=report,
        dicom=dicom,
        patient=patient,
        options={
            **{"model": model, "device": device, "affine": affine, "format": format, **asdict(rules), **options},
            **({} if dicom is None else {"dicom": asdict(dicom)}),
        },
        debug=debug,
    )
    return batch.run(cases)


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
