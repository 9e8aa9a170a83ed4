// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// The cheat codes these scripts and tests use; forge-std, which has them all, is not on npm.
interface Vm {
    struct SignedDelegation {
        uint8 v;
        bytes32 r;
        bytes32 s;
        uint64 nonce;
        address implementation;
    }

    function startBroadcast(uint256 key) external;
    function stopBroadcast() external;
    function addr(uint256 key) external pure returns (address);
    function getNonce(address account) external view returns (uint64);
    function envUint(string calldata name) external view returns (uint256);
    function envAddress(string calldata name) external view returns (address);
    function signAndAttachDelegation(address implementation, uint256 key) external returns (SignedDelegation memory);
    function expectRevert(bytes calldata data) external;
    function prank(address sender) external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
