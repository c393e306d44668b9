//! The one way from an error to what the user reads: one sentence, one hint, one exit code.

use std::error::Error;
use std::io;

use hibari_media::MediaError;
use hibari_models::ModelError;
use hibari_ops::device::DeviceError;
use hibari_pipeline::PipelineError;
use hibari_store::StoreError;
use hibari_weights::WeightsError;
use hibari_world::ScriptError;
use hibari_world::export::ExportError;

/// The program or the machine failed.
const INTERNAL: u8 = 1;
/// What was asked for cannot be done.
const INPUT: u8 = 2;
/// Ctrl-C, as shells count it: 128 + SIGINT.
pub(crate) const CANCELED: u8 = 130;

/// A command that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What went wrong: one sentence, no full stop.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: String,
    /// Exit code.
    pub(crate) code: u8,
}

impl Failure {
    /// The request cannot be met.
    pub(crate) fn input(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), code: INPUT }
    }

    /// The program or the machine failed.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: "run `hibari doctor`, and report this if all is in order there".into(),
            code: INTERNAL,
        }
    }

    /// The device of the command line cannot be used.
    pub(crate) fn device(name: &str, error: DeviceError) -> Self {
        match error {
            DeviceError::NotBuilt => Self::input(
                format!("this build of hibari cannot compute on `{name}`"),
                format!("build it with `--features {name}`, or leave out `--device`"),
            ),
            DeviceError::Absent => Self::input(
                format!("no device for `{name}` was found"),
                "`hibari doctor` lists what there is; `--device cpu` works everywhere",
            ),
        }
    }

    /// Ctrl-C.
    pub(crate) fn canceled() -> Self {
        PipelineError::Canceled.into()
    }

    /// A fault of the program, whose place and cause the panic message above has told.
    pub(crate) fn panic() -> Self {
        Self {
            message: "hibari stopped on a fault of its own".into(),
            hint: "report it with the command and the lines above".into(),
            code: INTERNAL,
        }
    }

    /// Whether the user stopped it.
    pub(crate) fn is_canceled(&self) -> bool {
        self.code == CANCELED
    }

    fn new(error: &dyn Error, hint: impl Into<String>, code: u8) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self { message, hint: hint.into(), code }
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        let code = match &error {
            PipelineError::Canceled => CANCELED,
            PipelineError::NotFinite => INTERNAL,
            PipelineError::Weights(cause) | PipelineError::Model(ModelError::Weights(cause)) => {
                code_of_weights(cause)
            }
            _ => INPUT,
        };
        Self::new(&error, error.hint(), code)
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        PipelineError::from(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Canceled => CANCELED,
            StoreError::Disk { source, .. } => code_of_io(source),
            _ => INPUT,
        };
        Self::new(&error, error.hint(), code)
    }
}

impl From<hibari_train::Error> for Failure {
    fn from(error: hibari_train::Error) -> Self {
        Self::new(&error, error.hint(), INPUT)
    }
}

impl From<WeightsError> for Failure {
    fn from(error: WeightsError) -> Self {
        Self::new(&error, error.hint(), code_of_weights(&error))
    }
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        let code = match &error {
            MediaError::Write { source, .. } => code_of_io(source),
            MediaError::Read { .. } | MediaError::Malformed { .. } | MediaError::Format { .. } => {
                INPUT
            }
            _ => INTERNAL,
        };
        Self::new(&error, error.hint(), code)
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        let code = match &error {
            ExportError::Write { source, .. } => code_of_io(source),
            ExportError::Video { .. } | ExportError::Index { .. } => INTERNAL,
        };
        Self::new(&error, error.hint(), code)
    }
}

impl From<ScriptError> for Failure {
    fn from(error: ScriptError) -> Self {
        Self::new(
            &error,
            "`hibari world vocabulary --mix whole` lists what scripts may contain",
            INPUT,
        )
    }
}

fn code_of_weights(error: &WeightsError) -> u8 {
    match error {
        WeightsError::Write { source, .. } => code_of_io(source),
        WeightsError::Invalid { .. } => INTERNAL,
        _ => INPUT,
    }
}

/// A path that cannot be written is a matter of the request; a disk that fails is not.
fn code_of_io(error: &io::Error) -> u8 {
    use io::ErrorKind::{
        AlreadyExists, IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem,
    };
    match error.kind() {
        AlreadyExists | IsADirectory | NotADirectory | NotFound | PermissionDenied
        | ReadOnlyFilesystem => INPUT,
        _ => INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn causes_are_told_and_codes_tell_whose_fault_it_is() {
        let write = |kind: io::ErrorKind| {
            Failure::from(MediaError::Write { path: PathBuf::from("a.mp4"), source: kind.into() })
        };
        let full = write(io::ErrorKind::StorageFull);
        assert_eq!(full.code, INTERNAL);
        assert_eq!(full.message, "cannot write `a.mp4`: no storage space");
        assert_eq!(write(io::ErrorKind::PermissionDenied).code, INPUT);
        assert_eq!(Failure::from(PipelineError::EmptyPrompt).code, INPUT);
        assert_eq!(Failure::from(PipelineError::NotFinite).code, INTERNAL);
        assert!(Failure::canceled().is_canceled());
    }
}
