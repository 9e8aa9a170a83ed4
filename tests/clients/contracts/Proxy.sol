// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// An ERC-1967 proxy: delegates everything but `upgradeTo` to the implementation.
contract Proxy {
    bytes32 private constant IMPLEMENTATION = bytes32(uint256(keccak256("eip1967.proxy.implementation")) - 1);
    bytes32 private constant ADMIN = bytes32(uint256(keccak256("eip1967.proxy.admin")) - 1);

    event Upgraded(address indexed implementation);

    error NotAdmin(address caller);

    constructor(address implementation, bytes memory init) {
        write(ADMIN, msg.sender);
        write(IMPLEMENTATION, implementation);
        emit Upgraded(implementation);
        if (init.length > 0) delegate(implementation, init);
    }

    function upgradeTo(address implementation) external {
        if (msg.sender != read(ADMIN)) revert NotAdmin(msg.sender);
        write(IMPLEMENTATION, implementation);
        emit Upgraded(implementation);
    }

    fallback() external payable {
        bytes memory answer = delegate(read(IMPLEMENTATION), msg.data);
        assembly { return(add(answer, 32), mload(answer)) }
    }

    receive() external payable {}

    function delegate(address implementation, bytes memory input) private returns (bytes memory answer) {
        bool ok;
        (ok, answer) = implementation.delegatecall(input);
        if (!ok) assembly { revert(add(answer, 32), mload(answer)) }
    }

    function read(bytes32 slot) private view returns (address value) {
        assembly { value := sload(slot) }
    }

    function write(bytes32 slot, address value) private {
        assembly { sstore(slot, value) }
    }
}
