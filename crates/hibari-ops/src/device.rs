//! The device that tensors are made on: the CPU, unless the binary chooses another as it starts.
//!
//! One choice for the whole process, as for the threads and the instruction set of the kernels: what a model computes
//! does not depend on where, but for rounding.

use std::sync::OnceLock;

use burn::tensor::Device;

static CHOSEN: OnceLock<Device> = OnceLock::new();

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The kernels of `hibari-kernels`.
    Cpu,
    /// The adapter that wgpu prefers: Vulkan, Metal, DirectX or a software driver.
    Gpu,
    /// The first NVIDIA card, through CUDA.
    Cuda,
}

/// Why a device cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// This build has no code for it.
    NotBuilt,
    /// The machine has none.
    Absent,
}

/// The device to make tensors on.
pub fn device() -> Device {
    CHOSEN.get_or_init(Device::flex).clone()
}

/// The devices of a kind, the one that [`choose`] takes first.
///
/// # Errors
/// [`DeviceError::NotBuilt`] if this build has no code for the kind
pub fn devices(kind: DeviceKind) -> Result<Vec<Device>, DeviceError> {
    match kind {
        DeviceKind::Cpu => Ok(vec![Device::flex()]),
        #[cfg(feature = "cuda")]
        DeviceKind::Cuda => Ok(Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec()),
        #[cfg(feature = "gpu")]
        DeviceKind::Gpu => Ok(Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec()),
        #[cfg(not(all(feature = "cuda", feature = "gpu")))]
        _ => Err(DeviceError::NotBuilt),
    }
}

/// What the devices of a kind call themselves.
///
/// # Errors
/// as [`devices`]
pub fn names(kind: DeviceKind) -> Result<Vec<String>, DeviceError> {
    let name = |device: Device| {
        #[cfg(feature = "cube")]
        if let Some(identity) = device.identity() {
            return identity.name;
        }
        format!("{device:?}")
    };
    Ok(devices(kind)?.into_iter().map(name).collect())
}

/// Makes the first device of a kind that of the process.
///
/// # Errors
/// see [`DeviceError`]
/// # Panics
/// if a device was chosen or used before
pub fn choose(kind: DeviceKind) -> Result<(), DeviceError> {
    let device = devices(kind)?.into_iter().next().ok_or(DeviceError::Absent)?;
    assert!(CHOSEN.set(device).is_ok(), "the device is chosen before any tensor is made");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_there_and_other_kinds_say_what_is_missing() {
        assert_eq!(devices(DeviceKind::Cpu).unwrap(), [Device::flex()]);
        if !cfg!(feature = "cuda") {
            assert_eq!(devices(DeviceKind::Cuda), Err(DeviceError::NotBuilt));
        }
        if !cfg!(feature = "gpu") {
            assert_eq!(devices(DeviceKind::Gpu), Err(DeviceError::NotBuilt));
        }
    }
}
