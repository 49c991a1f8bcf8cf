//! Memory for argon2id that is really given back: a mapping of its own. An allocator may keep 7 MiB for ever.
//! The one file of this room with unsafe code.
#![allow(unsafe_code)]

use argon2::Block;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

/// Anonymous private memory as argon2's blocks; unmapped (and so wiped) when it is dropped.
pub struct BlockMemory {
    start: NonNull<c_void>,
    blocks: usize,
}

// SAFETY: the mapping belongs to this value alone and is no thread's in particular.
unsafe impl Send for BlockMemory {}

impl BlockMemory {
    /// Maps `kib` blocks of 1 KiB.
    pub fn map(kib: u32) -> std::io::Result<BlockMemory> {
        let blocks = kib as usize;
        let bytes = NonZeroUsize::new(blocks * Block::SIZE)
            .ok_or_else(|| std::io::Error::other("no memory asked for"))?;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let start = unsafe {
            mmap_anonymous(
                None,
                bytes,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_PRIVATE,
            )
        }?;
        Ok(BlockMemory { start, blocks })
    }
}

impl AsMut<[Block]> for BlockMemory {
    fn as_mut(&mut self) -> &mut [Block] {
        // SAFETY: the mapping has `blocks * Block::SIZE` octets, is aligned to a page (a block asks for 64), and its
        // zeros are valid blocks (words of 64 bits). `&mut self` makes the slice the only way to it.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast::<Block>().as_ptr(), self.blocks) }
    }
}

impl Drop for BlockMemory {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `map` made, nothing borrows it any more.
        let unmapped = unsafe { munmap(self.start, self.blocks * Block::SIZE) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_as_long_as_asked_and_writable() {
        let mut memory = BlockMemory::map(9).unwrap();
        let blocks = memory.as_mut();
        assert_eq!(blocks.len(), 9);
        blocks[8] = Block::new();
        assert!(BlockMemory::map(0).is_err());
    }
}
